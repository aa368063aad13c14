"""A saved card is charged once for one dip, whatever races, and never beyond its ceiling."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from tests.factories import WalletFactory
from tests.topups.saved_cards import (
    CHARGES,
    again,
    balance,
    dip,
    now_as,
    of,
    payment,
    statuses,
    switched_on,
    told,
)
from tests.topups.told import moves, pending, session
from wallets import audit
from wallets.automatic_top_ups import card_payments, charging, settling, terms
from wallets.models import AutoTopUp, TopUp, Wallet

pytestmark = pytest.mark.usefixtures("committed", "line")


def test_a_wallet_that_is_low_is_filled_with_a_receipt():
    auto = switched_on()
    assert auto.pk in charging.due().values_list("pk", flat=True)
    charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert (top_up.status, top_up.provider, top_up.created_by, top_up.payment_id[:3]) == ("paid", "stripe", None, "pi_")
    assert moves(auto.wallet)[1:] == [("topup", "10000.0000")]
    assert (told(auto, "topup_paid"), balance(auto)) == (1, 10100)
    assert charging.top_up_if_low(auto.pk) is None


def test_the_beat_finds_it_and_leaves_it_to_a_worker(monkeypatch):
    auto = switched_on()
    handed: list[int] = []
    monkeypatch.setattr(charging.top_up_one, "apply_async", lambda args, **options: handed.append(*args))
    charging.auto_top_up()
    assert auto.pk in handed
    charging.top_up_one(auto.pk)
    assert statuses(auto) == ["paid"]


def test_five_beats_at_once_are_one_payment_for_one_dip(line):
    auto = switched_on()

    def beat(_: int) -> None:
        charging.top_up_if_low(auto.pk)
        connection.close()

    with ThreadPoolExecutor(5) as threads:
        list(threads.map(beat, range(5)))
    assert (statuses(auto), balance(auto), line.count(*CHARGES)) == (["paid"], 10100, 1)


def test_a_second_dip_is_a_second_payment():
    auto = switched_on()
    charging.top_up_if_low(auto.pk)
    dip(auto)
    charging.top_up_if_low(auto.pk)
    assert statuses(auto) == ["paid", "paid"]


def test_the_database_has_no_place_for_two_pending_ones():
    auto = switched_on()
    first = charging.begin(auto.pk)
    assert first is not None
    first.pk, first.submission = "top_another", "another"
    with pytest.raises(IntegrityError, match="top_up_one_auto_pending"):
        first.save(force_insert=True)


def test_an_amount_too_small_to_lift_it_waits_before_the_next():
    auto = switched_on(threshold=50_000)
    charging.top_up_if_low(auto.pk)
    assert charging.top_up_if_low(auto.pk) is None
    assert now_as(auto).next_try_at > timezone.now() + timedelta(minutes=4)
    again(auto)
    charging.top_up_if_low(auto.pk)
    assert statuses(auto) == ["paid", "paid"]


@pytest.mark.parametrize("balance", [1000, 1001])
def test_what_calls_hold_is_no_dip(balance):
    auto = switched_on(balance=balance)
    Wallet.objects.filter(pk=auto.wallet_id).update(held=balance, in_flight=1)
    assert charging.top_up_if_low(auto.pk) is None
    Wallet.objects.filter(pk=auto.wallet_id).update(held=0, in_flight=0)


def test_off_is_off():
    auto = switched_on()
    terms.switch_off(auto.wallet, reason=AutoTopUp.OffReason.CUSTOMER, actor=auto.wallet.account.user)
    assert charging.top_up_if_low(auto.pk) is None
    assert told(auto, "auto_topup_off") == 0


def test_the_ceiling_is_never_passed_and_told_once():
    auto = switched_on(ceiling="25.00")
    for _ in range(2):
        charging.top_up_if_low(auto.pk)
        dip(auto)
    for _ in range(2):
        again(auto)
        assert charging.top_up_if_low(auto.pk) is None
    assert (statuses(auto), told(auto, "auto_topup_ceiling")) == (["paid", "paid"], 1)
    assert now_as(auto).next_try_at == terms.month_after(timezone.now())
    assert now_as(auto).is_on


def test_a_ceiling_that_is_raised_has_room_at_once():
    auto = switched_on(ceiling="10.00")
    charging.top_up_if_low(auto.pk)
    dip(auto)
    assert charging.top_up_if_low(auto.pk) is None
    terms.save(
        auto.wallet,
        threshold_credits=auto.threshold_credits,
        amount_usd=auto.amount_usd,
        monthly_ceiling_usd=Decimal(20),
        switch_on=False,
        actor=auto.wallet.account.user,
    )
    charging.top_up_if_low(auto.pk)
    assert statuses(auto) == ["paid", "paid"]


def test_another_month_has_a_ceiling_of_its_own():
    auto = switched_on(ceiling="10.00")
    charging.top_up_if_low(auto.pk)
    dip(auto)
    TopUp.objects.filter(wallet=auto.wallet_id).update(created_at=terms.month_of(timezone.now()) - timedelta(seconds=1))
    charging.top_up_if_low(auto.pk)
    assert statuses(auto) == ["paid", "paid"]


def test_a_month_is_utc_and_december_ends_in_a_year():
    at = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert (terms.month_of(at), terms.month_after(at)) == (
        datetime(2026, 12, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    )


def test_another_payment_for_the_same_top_up_is_refused(stripe):
    auto = switched_on()
    charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert stripe.says("payment_intent.succeeded", payment(top_up, id="pi_another")) == "refused"
    assert len(moves(auto.wallet)) == 2


def test_the_webhook_after_the_answer_says_nothing_new(stripe):
    auto = switched_on()
    charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert stripe.says("payment_intent.succeeded", payment(top_up)) == "duplicate"
    assert len(moves(auto.wallet)) == 2


def test_money_on_its_way_is_waited_for(stripe):
    auto = switched_on()
    top_up = charging.begin(auto.pk)
    settling.settle(top_up, card_payments.read_payment(payment(top_up, status="processing", amount_received=0)))
    assert (statuses(auto), charging.top_up_if_low(auto.pk)) == (["pending"], None)
    assert stripe.says("payment_intent.succeeded", payment(top_up)) == "credited"


WRONG = {
    "amount": {"amount": 999},
    "received less": {"amount_received": 999},
    "currency": {"currency": "eur"},
    "account": {"metadata": {"account": "0"}},
    "customer": {"customer": "cus_another"},
    "status": {"status": "requires_capture"},
    "no id": {"id": ""},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_moves_no_money(stripe, fields):
    auto = switched_on()
    top_up = charging.begin(auto.pk)
    about = payment(top_up, **fields)
    about["metadata"] = {"top_up": top_up.pk, **about["metadata"]}
    assert stripe.says("payment_intent.succeeded", about) == "refused"
    assert (statuses(auto), len(moves(auto.wallet))) == (["pending"], 1)


def test_a_checkout_is_told_by_its_own_events(stripe):
    wallet = WalletFactory()
    top_up = pending(wallet)
    assert stripe.says("payment_intent.succeeded", {**payment(top_up), "customer": None}) == "ignored"
    assert moves(wallet) == []
    auto = switched_on()
    automatic = charging.begin(auto.pk)
    assert stripe.says("checkout.session.completed", session(automatic, id="cs_forged")) == "refused"


def test_a_payment_of_somebody_elses_is_ignored_without_a_question(stripe, line):
    asked = len(line.asked)
    about = {"id": "pi_shop", "object": "payment_intent", "amount": 100, "metadata": {}, "status": "succeeded"}
    assert stripe.says("payment_intent.succeeded", about) == "ignored"
    assert len(line.asked) == asked


def test_the_books_hold():
    auto = switched_on()
    charging.top_up_if_low(auto.pk)
    assert [difference for difference in audit.audit() if difference.wallet_id == auto.wallet_id] == []
