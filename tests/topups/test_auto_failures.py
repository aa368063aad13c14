"""What becomes of automatic top-ups when a card fails, and what switches them off."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import suspension
from accounts.models import Account, Event, Notice
from tests.topups import saved_cards
from tests.topups.saved_cards import (
    CHARGES,
    DECLINED,
    PAYS,
    WANTS_ITS_OWNER,
    again,
    allow,
    balance,
    made_at_the_provider,
    now_as,
    of,
    payment,
    statuses,
    switched_on,
    told,
)
from tests.topups.told import charge as charge_told
from tests.topups.told import dispute, moves, pending
from wallets import audit
from wallets.automatic_top_ups import card_payments, cards, charging, old_cards, terms
from wallets.models import AutoTopUp, TopUp
from wallets.top_ups import payments, reconciling

pytestmark = pytest.mark.usefixtures("committed", "line")


@pytest.mark.parametrize(("number", "why"), [(DECLINED, "generic_decline"), (WANTS_ITS_OWNER, "authentication_required")])
def test_three_failures_in_a_row_switch_it_off(number, why):
    auto = switched_on(number)
    for failures, pause in ((1, timedelta(hours=1)), (2, timedelta(hours=6))):
        charging.top_up_if_low(auto.pk)
        state = now_as(auto)
        assert (state.failures, state.is_on, told(auto, "auto_topup_failed")) == (failures, True, failures)
        assert pause - timedelta(minutes=5) < state.next_try_at - timezone.now() <= pause
        assert charging.top_up_if_low(auto.pk) is None
        again(auto)
    charging.top_up_if_low(auto.pk)
    state = now_as(auto)
    assert (state.failures, state.is_on, state.off_reason) == (3, False, "failures")
    assert (told(auto, "auto_topup_failed"), told(auto, "auto_topup_off"), told(auto, "topup_failed")) == (2, 1, 0)
    assert (statuses(auto), {top_up.failure for top_up in of(auto)}) == (["failed"] * 3, {why})
    assert moves(auto.wallet)[1:] == []
    again(auto)
    assert charging.top_up_if_low(auto.pk) is None
    assert Event.objects.get(account=auto.wallet.account_id, kind="auto_top_up.off").data == {"reason": "failures"}


def test_a_success_forgives_the_failures_before_it():
    auto = switched_on(DECLINED)
    charging.top_up_if_low(auto.pk)
    saved_cards.saved(auto.wallet)
    assert (now_as(auto).failures, now_as(auto).is_on, now_as(auto).has_old_cards) == (0, False, True)
    allow(auto)
    AutoTopUp.objects.filter(pk=auto.pk).update(failures=2)
    charging.top_up_if_low(auto.pk)
    assert (statuses(auto), now_as(auto).failures) == (["failed", "paid"], 0)


def test_a_failure_told_by_webhook_counts_once(stripe):
    auto = switched_on()
    top_up = charging.begin(auto.pk)
    failed = {"status": "requires_payment_method", "amount_received": 0, "last_payment_error": {"code": "card_declined"}}
    assert stripe.says("payment_intent.payment_failed", payment(top_up, **failed)) == "failed"
    assert stripe.says("payment_intent.payment_failed", payment(top_up, **failed)) == "duplicate"
    assert (now_as(auto).failures, of(auto)[0].failure) == (1, "card_declined")


def test_a_payment_after_its_failure_is_credited_all_the_same(stripe):
    auto = switched_on(DECLINED)
    charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert stripe.says("payment_intent.succeeded", payment(top_up)) == "credited"
    assert (statuses(auto), now_as(auto).failures, balance(auto)) == (["paid"], 0, 10100)


def test_a_suspended_account_is_not_charged_and_stays_off():
    auto = switched_on()
    suspension.suspend(auto.wallet.account, actor=None, reason="a test's")
    assert charging.top_up_if_low(auto.pk) is None
    charging.end_those_of_inactive_accounts()
    assert (now_as(auto).is_on, now_as(auto).off_reason, told(auto, "auto_topup_off")) == (False, "suspended", 1)


def test_a_disputed_payment_switches_it_off(stripe):
    auto = switched_on()
    charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert stripe.says("charge.dispute.created", dispute(top_up, payment_intent=top_up.payment_id)) == "disputed"
    assert (now_as(auto).is_on, now_as(auto).off_reason) == (False, "disputed")
    assert Account.objects.get(pk=auto.wallet.account_id).status == "suspended"


def test_a_refunded_payment_is_not_charged_again(stripe):
    auto = switched_on()
    charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert stripe.says("charge.refunded", charge_told(top_up, refunded="10.00", payment_intent=top_up.payment_id)) == "refunded"
    assert (balance(auto), now_as(auto).off_reason) == (100, "refunded")
    assert charging.top_up_if_low(auto.pk) is None


@pytest.mark.parametrize("refunded", ["2.00", "100.00"])
def test_a_refunded_checkout_is_nothing_to_charge_the_card_for(stripe, line, refunded):
    auto = switched_on(balance=0, threshold=99_000)
    top_up = pending(auto.wallet, amount_usd="100.00")
    stripe.pays(top_up)
    assert stripe.says("charge.refunded", charge_told(top_up, refunded=refunded)) == "refunded"
    assert (now_as(auto).is_on, now_as(auto).off_reason, told(auto, "auto_topup_off")) == (False, "refunded", 1)
    assert Notice.objects.get(account=auto.wallet.account_id, kind="auto_topup_off").context["reason"] == "refunded"
    assert (charging.top_up_if_low(auto.pk), line.count(*CHARGES)) == (None, 0)


def at_the_provider(top_up: TopUp) -> card_payments.Payment:
    provider = payments.by_name(top_up.provider)
    assert provider is not None
    return card_payments.look_up(provider, top_up.payment_id)


@pytest.mark.parametrize("number", [DECLINED, WANTS_ITS_OWNER])
def test_a_payment_that_failed_is_called_back(number):
    auto = switched_on(number)
    charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert (top_up.status, at_the_provider(top_up).status) == ("failed", "canceled")
    assert charging.call_back(top_up) == "duplicate"


def heard_of_its_failure(stripe, auto: AutoTopUp, line) -> TopUp:
    """Our answer is lost; a webhook says that its bank wants to see the customer."""
    line.lose_answers = True
    charging.top_up_if_low(auto.pk)
    line.lose_answers = False
    (top_up,) = of(auto)
    made = card_payments.find(payments.by_name("stripe"), top_up)
    assert made is not None
    about = payment(top_up, id=made.id, status="requires_action", amount_received=0)
    assert stripe.says("payment_intent.payment_failed", about) == "failed"
    return of(auto)[0]


def test_a_failure_told_by_webhook_is_called_back(stripe, line):
    top_up = heard_of_its_failure(stripe, switched_on(WANTS_ITS_OWNER), line)
    assert (top_up.status, at_the_provider(top_up).status) == ("failed", "canceled")


def test_what_was_paid_before_it_could_be_called_back_is_credited(stripe, line):
    auto = switched_on()
    top_up = heard_of_its_failure(stripe, auto, line)
    assert (top_up.status, at_the_provider(top_up).status, balance(auto)) == ("paid", "succeeded", 10100)


def test_a_provider_that_is_away_calls_nothing_back_and_nothing_fails(stripe, line):
    auto = switched_on(WANTS_ITS_OWNER)
    top_up = charging.begin(auto.pk)
    line.is_cut = True
    failed = payment(top_up, status="requires_action", amount_received=0)
    assert stripe.says("payment_intent.payment_failed", failed) == "failed"
    assert statuses(auto) == ["failed"]


def test_cards_are_not_tried_out_by_switching_and_saving():
    auto = switched_on(DECLINED)
    for _ in range(4):
        charging.top_up_if_low(auto.pk)
        saved_cards.saved(auto.wallet, DECLINED)
        allow(auto)
    charging.top_up_if_low(auto.pk)
    again(auto)
    assert charging.top_up_if_low(auto.pk) is None
    assert statuses(auto) == ["failed"] * 5
    assert now_as(auto).next_try_at == of(auto)[0].created_at + timedelta(days=1)
    saved_cards.saved(auto.wallet, PAYS)
    with pytest.raises(terms.NotPossibleError, match="Too many payments have failed"):
        allow(auto)
    TopUp.objects.filter(pk=of(auto)[0].pk).update(created_at=timezone.now() - timedelta(days=1))
    allow(auto)
    charging.top_up_if_low(auto.pk)
    assert sorted(statuses(auto)) == ["failed"] * 5 + ["paid"]


def test_a_card_that_was_removed_between_fails_without_a_payment(line):
    auto = switched_on()
    charging.begin(auto.pk)
    assert cards.remove(auto.wallet, actor=auto.wallet.account.user)
    old_cards.forget()
    assert charging.charge(of(auto)[0]) == "failed"
    state = now_as(auto)
    assert (state.is_on, state.off_reason, state.failures, state.has_card) == (False, "card_removed", 0, False)
    assert (made_at_the_provider(auto), told(auto, "auto_topup_failed")) == (0, 0)


def test_a_provider_that_is_away_makes_nothing_fail(line):
    auto = switched_on()
    line.is_cut = True
    charging.top_up_if_low(auto.pk)
    assert reconciling.ask(of(auto)[0]) is None
    assert (statuses(auto), now_as(auto).failures) == (["pending"], 0)
    line.is_cut = False
    assert reconciling.ask(of(auto)[0]) == "credited"


def test_the_books_hold():
    auto = switched_on()
    charging.top_up_if_low(auto.pk)
    assert [difference for difference in audit.audit() if difference.wallet_id == auto.wallet_id] == []
