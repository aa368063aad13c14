"""A top-up is committed before its provider hears of it, once a form, at amounts that are offered, for accounts that may buy."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Account
from contract import limits
from tests.factories import UserFactory, WalletFactory
from tests.topups.told import new, pending
from wallets.models import CreditsPerUsdRate, TopUp, Wallet
from wallets.top_ups import payments, topups
from wallets.top_ups.reconciling import ask

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def wallet(committed) -> Wallet:
    return WalletFactory()


def start(wallet, amount_usd="25.00", *, submission=None):
    return topups.start(wallet, amount_usd=Decimal(amount_usd), actor=wallet.account.user, submission=submission or new("form"))


def at_the_provider(top_up) -> payments.Session:
    provider = payments.by_name(top_up.provider)
    assert provider is not None
    return payments.look_up(provider, top_up.session_id)


@pytest.fixture(params=["stripe", "sandbox"])
def provider(request, settings, sandbox):
    """Each of the two in turn."""
    if request.param == "stripe":
        request.getfixturevalue("stripe")
    return request.param


def test_a_checkout_is_made_of_our_row(provider, wallet, settings):
    top_up = start(wallet)
    assert (top_up.provider, top_up.status, top_up.credits, top_up.credits_per_usd_rate) == (provider, "pending", 25000, 1000)
    assert top_up.created_by == wallet.account.user
    assert top_up.checkout_url == f"{settings.SANDBOX_URL}/checkout/pay/{top_up.session_id}"
    assert at_the_provider(top_up) == payments.Session(
        id=top_up.session_id,
        status="open",
        payment_status="unpaid",
        amount=2500,
        currency="usd",
        payment_id="",
        top_up=top_up.pk,
        account=str(wallet.account_id),
    )


def test_stripe_comes_before_the_sandbox(settings, stripe):
    assert payments.configured().name == "stripe"
    settings.STRIPE_SECRET_KEY = ""
    assert payments.configured().name == "sandbox"
    settings.SANDBOX = False
    assert payments.configured() is None


def test_the_wallets_own_rate_counts(sandbox, wallet):
    CreditsPerUsdRate.objects.create(wallet=wallet, value=Decimal("800.5"), reason="a test's", effective_from=timezone.now())
    assert start(wallet, "10.01").credits == Decimal("8013.0050")


def test_a_form_sent_twice_is_one_top_up(sandbox, wallet):
    first = start(wallet, submission="once")
    second = start(wallet, submission="once")
    assert (second.pk, second.checkout_url) == (first.pk, first.checkout_url)
    assert wallet.top_ups.count() == 1


def test_a_form_sent_again_with_another_amount_is_refused(sandbox, wallet):
    start(wallet, "10.00", submission="once")
    with pytest.raises(topups.FormReusedError):
        start(wallet, "20.00", submission="once")
    assert wallet.top_ups.get().amount_usd == 10


def test_a_form_goes_on_at_the_provider_it_began_at(wallet, settings, stripe):
    begun = pending(wallet, provider="sandbox", amount_usd="25.00", session_id="", checkout_url="", submission="once")
    assert start(wallet, submission="once").provider == "sandbox"
    assert at_the_provider(TopUp.objects.get(pk=begun.pk)).top_up == begun.pk


def test_a_form_sent_many_times_at_once_is_one_top_up_and_one_checkout(sandbox, wallet):
    def send(_) -> tuple[str, str]:
        try:
            top_up = start(wallet, submission="at once")
            return top_up.pk, top_up.session_id
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        sent = set(pool.map(send, range(6)))
    assert len(sent) == 1
    assert TopUp.objects.filter(wallet=wallet).count() == 1


@pytest.mark.parametrize("amount_usd", ["4.99", "1000.01", "10.001", "0", "-10", "NaN", "Infinity"])
def test_an_amount_that_is_not_offered_is_refused(sandbox, wallet, amount_usd):
    with pytest.raises(topups.AmountError, match=r"\$5\.00 to \$1000\.00"):
        start(wallet, amount_usd)
    assert wallet.top_ups.count() == 0


def test_the_presets_are_a_setting(settings):
    settings.TOPUP_AMOUNTS_USD = [Decimal(50), Decimal(20)]
    assert topups.presets() == [20, 50]


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_an_account_that_is_not_active_buys_nothing(sandbox, wallet, status):
    Account.objects.filter(pk=wallet.account_id).update(status=status)
    with pytest.raises(topups.AccountRefusedError, match=status):
        start(wallet)


def test_an_address_that_was_never_confirmed_buys_nothing(sandbox, committed):
    wallet = WalletFactory(account__user=UserFactory(verified=False))
    with pytest.raises(topups.AccountRefusedError, match="Confirm"):
        start(wallet)


def test_without_a_provider_nothing_can_be_bought(settings, wallet):
    settings.SANDBOX = False
    assert not topups.is_set_up()
    with pytest.raises(topups.NotSetUpError, match=r"Top-ups are not set up\."):
        start(wallet)
    assert wallet.top_ups.count() == 0


def test_open_checkouts_are_bounded(sandbox, wallet, monkeypatch):
    for _ in range(limits.OPEN_CHECKOUTS):
        pending(wallet, provider="sandbox")
    with pytest.raises(topups.TooManyPendingError):
        start(wallet)
    assert not issubclass(topups.TooManyPendingError, topups.ProviderAwayError)


@pytest.fixture
def nowhere(settings) -> None:
    """Nothing listens at the provider's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.SANDBOX_URL = f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_provider_that_is_away_ends_the_top_up(nowhere, wallet, settings, caplog):
    for _ in range(2):  # the same form again is told the same
        with pytest.raises(topups.ProviderAwayError, match="Nothing was paid"):
            start(wallet, submission="away")
    top_up = wallet.top_ups.get()
    assert (top_up.status, top_up.failure, top_up.session_id) == ("failed", "APIConnectionError", "")
    assert settings.SANDBOX_CHECKOUT_KEY not in caplog.text


def test_a_key_that_the_provider_rejects_ends_the_top_up(sandbox, wallet, settings, caplog):
    settings.SANDBOX_CHECKOUT_KEY = "sk_rejected_key"
    with pytest.raises(topups.ProviderAwayError):
        start(wallet)
    assert wallet.top_ups.get().failure == "AuthenticationError"
    assert "sk_rejected" not in caplog.text


def test_what_the_provider_refuses_ends_the_top_up(sandbox, wallet, settings):
    settings.TOPUP_CHECKOUT_SECONDS = 60
    with pytest.raises(topups.ProviderAwayError):
        start(wallet)
    assert wallet.top_ups.get().status == "failed"


_BUY = """
import os, django; django.setup()
from decimal import Decimal
from wallets.top_ups import topups
from wallets.models import Wallet
topups.start(Wallet.objects.get(pk={wallet}), amount_usd=Decimal(10), actor=None, submission="killed")
"""


def test_a_process_killed_before_the_provider_answers_leaves_a_top_up_that_ends(site, sandbox, wallet, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {
            "DJANGO_SETTINGS_MODULE": "beatra_site.settings",
            "DATABASE_URL": site.database_url,
            "SANDBOX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
        process = subprocess.Popen([sys.executable, "-c", _BUY.format(wallet=wallet.pk)], cwd=ROOT, env={**os.environ, **environment})
        silent.settimeout(60)
        accepted, _ = silent.accept()
        assert accepted.recv(10) == b"POST /chec"
        process.send_signal(signal.SIGKILL)
        process.wait()
        accepted.close()
    top_up = wallet.top_ups.get()
    assert (top_up.status, top_up.session_id) == ("pending", "")
    resumed = topups.start(wallet, amount_usd=Decimal(10), actor=None, submission="killed")
    assert (resumed.pk, at_the_provider(resumed).top_up) == (top_up.pk, top_up.pk)


def test_one_that_never_got_a_checkout_fails_when_it_is_looked_at(sandbox, wallet):
    top_up = pending(wallet, provider="sandbox", session_id="", checkout_url="")
    ask(top_up)
    top_up.refresh_from_db()
    assert (top_up.status, top_up.failure) == ("failed", "no checkout was made")
