"""What a lost webhook would have said is learnt by asking."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from contract import limits
from tests.factories import WalletFactory
from tests.topups.told import moves, new, pending
from wallets import alerts
from wallets.models import TopUp, Wallet
from wallets.top_ups import topups
from wallets.top_ups.reconciling import GONE, ask, reconcile, reconcile_top_ups


@pytest.fixture
def wallet(committed, settings, sandbox) -> Wallet:
    settings.SITE_URL = "http://127.0.0.1:9"  # where no webhook arrives
    return WalletFactory()


@pytest.fixture
def top_up(wallet) -> TopUp:
    return topups.start(wallet, amount_usd=Decimal(10), actor=None, submission=new("form"))


def status(top_up) -> str:
    return TopUp.objects.get(pk=top_up.pk).status


def end(top_up) -> None:
    key = {"Authorization": f"Bearer {django_settings.SANDBOX_CHECKOUT_KEY}"}
    url = f"{django_settings.SANDBOX_URL}/checkout/v1/checkout/sessions/{top_up.session_id}/expire"
    assert httpx.post(url, headers=key).status_code == 200


def test_a_payment_is_credited(top_up, wallet, caplog):
    httpx.post(top_up.checkout_url, data={"number": "4242424242424242"})
    assert ask(top_up) == "credited"
    assert moves(wallet) == [("topup", "10000.0000")]
    assert "a webhook was lost" in caplog.text


def test_a_transfer_on_its_way_is_waited_for(top_up):
    httpx.post(top_up.checkout_url, data={"number": "000123456789"})
    assert ask(top_up) == "submitted"
    assert status(top_up) == "pending"


def test_only_the_provider_ends_a_checkout(top_up):
    TopUp.objects.filter(pk=top_up.pk).update(expires_at=timezone.now() - timedelta(days=3))
    assert (ask(top_up), status(top_up)) == ("ignored", "pending")
    end(top_up)
    assert (ask(top_up), status(top_up)) == ("expired", "expired")


def test_a_checkout_that_the_provider_does_not_know_fails(wallet):
    unknown = pending(wallet, provider="sandbox")
    ask(unknown)
    assert status(unknown) == "failed"


def test_a_provider_that_is_away_or_gone_changes_nothing(top_up, wallet, settings):
    at_stripe = pending(wallet)
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    assert (ask(top_up), ask(at_stripe)) == (None, None)
    assert (status(top_up), status(at_stripe)) == ("pending", "pending")


def test_an_answer_that_does_not_fit_moves_no_money(top_up, wallet, caplog):
    httpx.post(top_up.checkout_url, data={"number": "4242424242424242"})
    TopUp.objects.filter(pk=top_up.pk).update(amount_usd=11)
    assert ask(TopUp.objects.get(pk=top_up.pk)) == "refused"
    assert moves(wallet) == []
    assert any(record.levelname == "ERROR" for record in caplog.records)
    assert TopUp.objects.get(pk=top_up.pk).problem == "it is about 1000 cents, not 1100"
    assert alerts.in_question().filter(pk=top_up.pk).exists()
    caplog.clear()
    assert ask(top_up) == "refused"
    assert caplog.records == [], "said once, however often it is asked"
    TopUp.objects.filter(pk=top_up.pk).update(amount_usd=10)
    assert ask(top_up) == "credited"
    assert not alerts.in_question().filter(pk=top_up.pk).exists()


def test_an_answer_is_compared_with_the_row_as_it_is_now(top_up, wallet):
    """Another payment was credited while the provider was asked about this one."""
    httpx.post(top_up.checkout_url, data={"number": "4242424242424242"})
    topups.credit(top_up, payment_id=new("pi"))
    assert top_up.payment_id == ""
    assert ask(top_up) == "refused"
    assert alerts.in_question().get(pk=top_up.pk).problem == "it is of another payment"
    assert len(moves(wallet)) == 1


def test_a_checkout_of_a_provider_that_is_gone_ends_without_it(wallet):
    long_ago = timezone.now() - GONE - timedelta(minutes=1)
    young, old = pending(wallet), pending(wallet, expires_at=long_ago)
    on_its_way = pending(wallet, expires_at=long_ago, submitted_at=long_ago)
    reconcile_top_ups()
    assert [status(one) for one in (young, old, on_its_way)] == ["pending", "expired", "pending"]
    assert alerts.in_question().filter(wallet=wallet).get() == on_its_way


def test_checkouts_of_a_provider_that_is_gone_leave_room_for_others(wallet):
    for _ in range(limits.OPEN_CHECKOUTS):
        pending(wallet)
    assert topups.start(wallet, amount_usd=Decimal(10), actor=None, submission=new("form")).checkout_url


def test_those_that_are_due_are_asked_about_and_not_again_at_once(top_up, settings):
    httpx.post(top_up.checkout_url, data={"number": "4242424242424242"})
    reconcile()
    assert status(top_up) == "pending"  # too young
    # Older than whatever other tests have left behind
    TopUp.objects.filter(pk=top_up.pk).update(created_at=timezone.now() - timedelta(days=900))
    reconcile()
    assert status(top_up) == "paid"


def test_a_wallet_that_is_locked_holds_up_no_other(top_up, connect):
    other = topups.start(WalletFactory(), amount_usd=Decimal(10), actor=None, submission=new("form"))
    for days, paid in ((902, top_up), (901, other)):
        httpx.post(paid.checkout_url, data={"number": "4242424242424242"})
        TopUp.objects.filter(pk=paid.pk).update(created_at=timezone.now() - timedelta(days=days))
    holder = connect()
    with holder.transaction():
        holder.execute("select 1 from wallets_wallet where id = %s for update", [top_up.wallet_id])
        reconcile()
    assert (status(top_up), status(other)) == ("pending", "paid")


def test_beat_runs_it_by_name(settings):
    names = [entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()]
    assert reconcile_top_ups.name in names
    assert "wallets.top_ups.reconciling" in settings.CELERY_IMPORTS
