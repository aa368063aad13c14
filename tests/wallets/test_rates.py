"""How many credits show as one USD: which rate a charge is recorded at."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tests.factories import WalletFactory
from tests.wallets.calls import charge, hold, now, rate_in_force
from wallets import holds
from wallets.models import CreditsPerUsdRate

pytestmark = pytest.mark.django_db


def without_rates():
    """A site that was never seeded; the rollback at the test's end brings the rate back."""
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate; set local beatra.allow_truncate = 'on'; truncate wallets_creditsperusdrate")


def test_the_site_starts_at_a_thousand():
    assert rate_in_force(WalletFactory()) == 1000


def test_a_wallets_own_newest_comes_before_the_sites():
    wallet, other = WalletFactory(), WalletFactory()
    then = timezone.now()
    for days, value, whose in [(-3, 500, wallet), (-2, 600, wallet), (-1, 700, None), (1, 800, wallet), (1, 900, None)]:
        CreditsPerUsdRate.objects.create(wallet=whose, value=value, reason="a test", effective_from=then + timedelta(days=days))
    assert rate_in_force(wallet) == 600
    site = CreditsPerUsdRate.objects.filter(wallet=None, effective_from__lte=then).order_by("-effective_from", "-id").first()
    assert rate_in_force(other) == site.value


def test_without_a_rate_a_charge_is_refused_and_its_neighbours_are_not():
    without_rates()
    wallet, neighbour = WalletFactory(balance=10), WalletFactory(balance=10)
    CreditsPerUsdRate.objects.create(wallet=neighbour, value=500, reason="a deal")
    calls = [hold(wallet, 3), hold(neighbour, 3)]
    holds.place(calls)
    charges = [charge(calls[0], 2), charge(calls[0], 2), charge(calls[1], 2)]
    with pytest.raises(holds.NoRateError, match=f"wallet {wallet.pk}.*manage.py seed"):
        holds.settle(charges)
    assert (now(wallet), now(neighbour)) == ((10, 3, 1), (8, 0, 0))

    CreditsPerUsdRate.objects.create(value=1000, reason="seed")
    assert [(answer.kind, answer.rate) for answer in holds.settle(charges)] == [("charged", 1000), ("charged", 1000), ("charged", 500)]
    assert (now(wallet), now(neighbour)) == ((8, 0, 0), (8, 0, 0))
