"""A saved card is charged once for one dip, whatever races, dies or gets lost."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts import suspension
from accounts.models import Account, Event, Notice
from tests.factories import WalletFactory
from tests.topups import saved_cards
from tests.topups.saved_cards import DECLINED, PAYS, WANTS_ITS_OWNER, of, payment, statuses, switched_on
from tests.topups.told import charge as charge_told
from tests.topups.told import dispute, moves, pending, session
from wallets import audit, auto_charging, auto_settling, auto_top_ups, card_payments, cards, ledger, payments, reconciling
from wallets.models import AutoTopUp, TopUp, Wallet

pytestmark = pytest.mark.usefixtures("committed", "line")

CHARGES = ("POST", "/v1/payment_intents")


def again(auto: AutoTopUp) -> None:
    """Its time has come again."""
    AutoTopUp.objects.filter(pk=auto.pk).update(next_try_at=timezone.now())


def now_as(auto: AutoTopUp) -> AutoTopUp:
    return AutoTopUp.objects.get(pk=auto.pk)


def told(auto: AutoTopUp, kind: str) -> int:
    return Notice.objects.filter(account=auto.wallet.account_id, kind=kind).count()


def balance(auto: AutoTopUp) -> Decimal:
    return Wallet.objects.get(pk=auto.wallet_id).balance


def dip(auto: AutoTopUp, *, to: int = 100) -> None:
    """Spend, or be given, credits until there are so many."""
    amount = Decimal(to) - balance(auto)
    with transaction.atomic():
        ledger.credit(auto.wallet_id, kind="adjustment", amount=amount, reference=f"adjustment:{os.urandom(8).hex()}", reason="spent")


def test_a_wallet_that_is_low_is_filled_with_a_receipt():
    auto = switched_on()
    assert auto.pk in auto_charging.due().values_list("pk", flat=True)
    auto_charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert (top_up.status, top_up.provider, top_up.created_by, top_up.payment_id[:3]) == ("paid", "stripe", None, "pi_")
    assert moves(auto.wallet)[1:] == [("topup", "10000.0000")]
    assert (told(auto, "topup_paid"), balance(auto)) == (1, 10100)
    assert auto_charging.top_up_if_low(auto.pk) is None


def test_the_beat_finds_it_and_leaves_it_to_a_worker(monkeypatch):
    auto = switched_on()
    handed: list[int] = []
    monkeypatch.setattr(auto_charging.top_up_one, "apply_async", lambda args, **options: handed.append(*args))
    auto_charging.auto_top_up()
    assert auto.pk in handed
    auto_charging.top_up_one(auto.pk)
    assert statuses(auto) == ["paid"]


def test_five_beats_at_once_are_one_payment_for_one_dip(line):
    auto = switched_on()

    def beat(_: int) -> None:
        auto_charging.top_up_if_low(auto.pk)
        connection.close()

    with ThreadPoolExecutor(5) as threads:
        list(threads.map(beat, range(5)))
    assert (statuses(auto), balance(auto), line.count(*CHARGES)) == (["paid"], 10100, 1)


def test_a_second_dip_is_a_second_payment():
    auto = switched_on()
    auto_charging.top_up_if_low(auto.pk)
    dip(auto)
    auto_charging.top_up_if_low(auto.pk)
    assert statuses(auto) == ["paid", "paid"]


def test_the_database_has_no_place_for_two_pending_ones():
    auto = switched_on()
    first = auto_charging.begin(auto.pk)
    assert first is not None
    first.pk, first.submission = "top_another", "another"
    with pytest.raises(IntegrityError, match="top_up_one_auto_pending"):
        first.save(force_insert=True)


def test_an_amount_too_small_to_lift_it_waits_before_the_next():
    auto = switched_on(threshold=50_000)
    auto_charging.top_up_if_low(auto.pk)
    assert auto_charging.top_up_if_low(auto.pk) is None
    assert now_as(auto).next_try_at > timezone.now() + timedelta(minutes=4)
    again(auto)
    auto_charging.top_up_if_low(auto.pk)
    assert statuses(auto) == ["paid", "paid"]


@pytest.mark.parametrize("balance", [1000, 1001])
def test_what_calls_hold_is_no_dip(balance):
    auto = switched_on(balance=balance)
    Wallet.objects.filter(pk=auto.wallet_id).update(held=balance, in_flight=1)
    assert auto_charging.top_up_if_low(auto.pk) is None
    Wallet.objects.filter(pk=auto.wallet_id).update(held=0, in_flight=0)


def test_off_is_off():
    auto = switched_on()
    auto_top_ups.switch_off(auto.wallet, reason=AutoTopUp.OffReason.CUSTOMER, actor=auto.wallet.account.user)
    assert auto_charging.top_up_if_low(auto.pk) is None
    assert told(auto, "auto_topup_off") == 0


@pytest.mark.parametrize(("number", "why"), [(DECLINED, "generic_decline"), (WANTS_ITS_OWNER, "authentication_required")])
def test_three_failures_in_a_row_switch_it_off(number, why):
    auto = switched_on(number)
    for failures, pause in ((1, timedelta(hours=1)), (2, timedelta(hours=6))):
        auto_charging.top_up_if_low(auto.pk)
        state = now_as(auto)
        assert (state.failures, state.is_on, told(auto, "auto_topup_failed")) == (failures, True, failures)
        assert pause - timedelta(minutes=5) < state.next_try_at - timezone.now() <= pause
        assert auto_charging.top_up_if_low(auto.pk) is None
        again(auto)
    auto_charging.top_up_if_low(auto.pk)
    state = now_as(auto)
    assert (state.failures, state.is_on, state.off_reason) == (3, False, "failures")
    assert (told(auto, "auto_topup_failed"), told(auto, "auto_topup_off"), told(auto, "topup_failed")) == (2, 1, 0)
    assert (statuses(auto), {top_up.failure for top_up in of(auto)}) == (["failed"] * 3, {why})
    assert moves(auto.wallet)[1:] == []
    again(auto)
    assert auto_charging.top_up_if_low(auto.pk) is None
    assert Event.objects.get(account=auto.wallet.account_id, kind="auto_top_up.off").data == {"reason": "failures"}


def at_the_provider(top_up: TopUp) -> card_payments.Payment:
    provider = payments.by_name(top_up.provider)
    assert provider is not None
    return card_payments.look_up(provider, top_up.payment_id)


@pytest.mark.parametrize("number", [DECLINED, WANTS_ITS_OWNER])
def test_a_payment_that_failed_is_called_back(number):
    auto = switched_on(number)
    auto_charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert (top_up.status, at_the_provider(top_up).status) == ("failed", "canceled")
    assert auto_charging.call_back(top_up) == "duplicate"


def heard_of_its_failure(stripe, auto: AutoTopUp, line) -> TopUp:
    """Our answer is lost; a webhook says that its bank wants to see the customer."""
    line.lose_answers = True
    auto_charging.top_up_if_low(auto.pk)
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
    top_up = auto_charging.begin(auto.pk)
    line.is_cut = True
    failed = payment(top_up, status="requires_action", amount_received=0)
    assert stripe.says("payment_intent.payment_failed", failed) == "failed"
    assert statuses(auto) == ["failed"]


def test_cards_are_not_tried_out_by_switching_and_saving():
    auto = switched_on(DECLINED)
    for _ in range(4):
        auto_charging.top_up_if_low(auto.pk)
        saved_cards.saved(auto.wallet, DECLINED)
    auto_charging.top_up_if_low(auto.pk)
    saved_cards.saved(auto.wallet, PAYS)
    assert auto_charging.top_up_if_low(auto.pk) is None
    assert statuses(auto) == ["failed"] * 5
    assert now_as(auto).next_try_at == of(auto)[0].created_at + timedelta(days=1)
    auto_top_ups.switch_off(auto.wallet, reason=AutoTopUp.OffReason.CUSTOMER, actor=auto.wallet.account.user)
    with pytest.raises(auto_top_ups.NotPossibleError, match="Too many payments have failed"):
        switch_on_again(auto)
    TopUp.objects.filter(pk=of(auto)[0].pk).update(created_at=timezone.now() - timedelta(days=1))
    switch_on_again(auto)
    auto_charging.top_up_if_low(auto.pk)
    assert sorted(statuses(auto)) == ["failed"] * 5 + ["paid"]


def switch_on_again(auto: AutoTopUp) -> None:
    auto_top_ups.save(
        auto.wallet,
        threshold_credits=auto.threshold_credits,
        amount_usd=auto.amount_usd,
        monthly_ceiling_usd=auto.monthly_ceiling_usd,
        switch_on=True,
        actor=auto.wallet.account.user,
    )


def test_a_success_forgives_the_failures_before_it():
    auto = switched_on(DECLINED)
    auto_charging.top_up_if_low(auto.pk)
    saved_cards.saved(auto.wallet)
    assert (now_as(auto).failures, now_as(auto).is_on, now_as(auto).has_old_cards) == (0, True, True)
    AutoTopUp.objects.filter(pk=auto.pk).update(failures=2)
    auto_charging.top_up_if_low(auto.pk)
    assert (statuses(auto), now_as(auto).failures) == (["failed", "paid"], 0)


def test_the_ceiling_is_never_passed_and_told_once():
    auto = switched_on(ceiling="25.00")
    for _ in range(2):
        auto_charging.top_up_if_low(auto.pk)
        dip(auto)
    for _ in range(2):
        again(auto)
        assert auto_charging.top_up_if_low(auto.pk) is None
    assert (statuses(auto), told(auto, "auto_topup_ceiling")) == (["paid", "paid"], 1)
    assert now_as(auto).next_try_at == auto_top_ups.month_after(timezone.now())
    assert now_as(auto).is_on


def test_a_ceiling_that_is_raised_has_room_at_once():
    auto = switched_on(ceiling="10.00")
    auto_charging.top_up_if_low(auto.pk)
    dip(auto)
    assert auto_charging.top_up_if_low(auto.pk) is None
    auto_top_ups.save(
        auto.wallet,
        threshold_credits=auto.threshold_credits,
        amount_usd=auto.amount_usd,
        monthly_ceiling_usd=Decimal(20),
        switch_on=False,
        actor=auto.wallet.account.user,
    )
    auto_charging.top_up_if_low(auto.pk)
    assert statuses(auto) == ["paid", "paid"]


def test_another_month_has_a_ceiling_of_its_own():
    auto = switched_on(ceiling="10.00")
    auto_charging.top_up_if_low(auto.pk)
    dip(auto)
    TopUp.objects.filter(wallet=auto.wallet_id).update(created_at=auto_top_ups.month_of(timezone.now()) - timedelta(seconds=1))
    auto_charging.top_up_if_low(auto.pk)
    assert statuses(auto) == ["paid", "paid"]


def test_a_month_is_utc_and_december_ends_in_a_year():
    at = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert (auto_top_ups.month_of(at), auto_top_ups.month_after(at)) == (
        datetime(2026, 12, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    )


def test_a_lost_answer_is_asked_for_again_and_paid_once(line):
    auto = switched_on()
    line.lose_answers = True
    auto_charging.top_up_if_low(auto.pk)
    assert (statuses(auto), balance(auto)) == (["pending"], 100)
    assert auto_charging.top_up_if_low(auto.pk) is None, "the one whose outcome nobody knows keeps the next from being begun"
    line.lose_answers = False
    (top_up,) = of(auto)
    assert reconciling.ask(top_up) == "credited"
    assert (statuses(auto), balance(auto)) == (["paid"], 10100)
    assert made_at_the_provider(auto) == 1


def made_at_the_provider(auto: AutoTopUp) -> int:
    provider = payments.by_name(auto.provider)
    assert provider is not None
    return len(payments.ask(lambda client: client.v1.payment_intents.list({"customer": auto.customer_id}), provider)["data"])


def test_a_lost_refusal_is_one_failure(line):
    auto = switched_on(DECLINED)
    line.lose_answers = True
    auto_charging.top_up_if_low(auto.pk)
    line.lose_answers = False
    assert reconciling.ask(of(auto)[0]) == "failed"
    assert (statuses(auto), now_as(auto).failures, made_at_the_provider(auto)) == (["failed"], 1, 1)


def test_a_worker_that_is_killed_before_it_charges_loses_nothing(line, settings):
    auto = switched_on()
    line.hold()
    environment = {
        "DATABASE_URL": urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
        "STRIPE_SECRET_KEY": settings.STRIPE_SECRET_KEY,
        "STRIPE_API_BASE": settings.STRIPE_API_BASE,
    }
    call = f"from wallets.auto_charging import top_up_if_low; top_up_if_low({auto.pk})"
    worker = subprocess.Popen([sys.executable, "manage.py", "shell", "-v", "0", "-c", call], env={**os.environ, **environment})
    try:
        assert line.asked_and_held.wait(60)
    finally:
        worker.kill()
        worker.wait()
    line.release()
    assert (statuses(auto), made_at_the_provider(auto)) == (["pending"], 0)
    TopUp.objects.filter(wallet=auto.wallet_id).update(created_at=timezone.now() - timedelta(minutes=10))
    reconciling.reconcile()
    assert (statuses(auto), balance(auto), made_at_the_provider(auto)) == (["paid"], 10100, 1)


@pytest.mark.parametrize("why", ["off", "too late", "filled"])
def test_what_is_wanted_no_more_is_looked_for_and_not_charged(line, why):
    auto = switched_on()
    auto_charging.begin(auto.pk)
    if why == "off":
        auto_top_ups.switch_off(auto.wallet, reason=AutoTopUp.OffReason.CUSTOMER, actor=None)
    elif why == "filled":
        dip(auto, to=1000)
    else:
        TopUp.objects.filter(wallet=auto.wallet_id).update(expires_at=timezone.now())
    assert reconciling.ask(of(auto)[0]) == "expired"
    assert (statuses(auto), line.count(*CHARGES)) == (["expired"], 0)
    assert (now_as(auto).failures, told(auto, "auto_topup_failed")) == (0, 0)


def test_what_was_paid_before_it_was_wanted_no_more_is_credited(line):
    auto = switched_on()
    line.lose_answers = True
    auto_charging.top_up_if_low(auto.pk)
    line.lose_answers = False
    auto_top_ups.switch_off(auto.wallet, reason=AutoTopUp.OffReason.CUSTOMER, actor=None)
    assert reconciling.ask(of(auto)[0]) == "credited"
    assert (balance(auto), made_at_the_provider(auto)) == (10100, 1)


def test_the_webhook_may_come_before_the_answer(stripe, line):
    auto = switched_on()
    line.lose_answers = True
    auto_charging.top_up_if_low(auto.pk)
    line.lose_answers = False
    (top_up,) = of(auto)
    provider = payments.by_name("stripe")
    made = card_payments.find(provider, top_up)
    assert stripe.says("payment_intent.succeeded", payment(top_up, id=made.id)) == "credited"
    assert auto_charging.charge(top_up) == "duplicate"
    assert len(moves(auto.wallet)) == 2


@pytest.mark.parametrize(("number", "type", "ends"), [(PAYS, "succeeded", "paid"), (DECLINED, "payment_failed", "failed")])
def test_answers_and_webhooks_at_once_count_once(stripe, line, number, type, ends):
    auto = switched_on(number)
    line.lose_answers = True
    auto_charging.top_up_if_low(auto.pk)
    line.lose_answers = False
    (top_up,) = of(auto)
    made = card_payments.find(payments.by_name("stripe"), top_up)
    about = payment(top_up, id=made.id, status=made.status, amount_received=made.received)

    def say(number: int) -> None:
        if number % 2:
            auto_charging.charge(top_up)
        else:
            stripe.says(f"payment_intent.{type}", about)
        connection.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(say, range(6)))
    assert (statuses(auto), now_as(auto).failures, len(moves(auto.wallet))) == ([ends], int(ends == "failed"), 1 + (ends == "paid"))


def test_another_payment_for_the_same_top_up_is_refused(stripe):
    auto = switched_on()
    auto_charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert stripe.says("payment_intent.succeeded", payment(top_up, id="pi_another")) == "refused"
    assert len(moves(auto.wallet)) == 2


def test_the_webhook_after_the_answer_says_nothing_new(stripe):
    auto = switched_on()
    auto_charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert stripe.says("payment_intent.succeeded", payment(top_up)) == "duplicate"
    assert len(moves(auto.wallet)) == 2


def test_a_failure_told_by_webhook_counts_once(stripe):
    auto = switched_on()
    top_up = auto_charging.begin(auto.pk)
    failed = {"status": "requires_payment_method", "amount_received": 0, "last_payment_error": {"code": "card_declined"}}
    assert stripe.says("payment_intent.payment_failed", payment(top_up, **failed)) == "failed"
    assert stripe.says("payment_intent.payment_failed", payment(top_up, **failed)) == "duplicate"
    assert (now_as(auto).failures, of(auto)[0].failure) == (1, "card_declined")


def test_a_payment_after_its_failure_is_credited_all_the_same(stripe):
    auto = switched_on(DECLINED)
    auto_charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert stripe.says("payment_intent.succeeded", payment(top_up)) == "credited"
    assert (statuses(auto), now_as(auto).failures, balance(auto)) == (["paid"], 0, 10100)


def test_money_on_its_way_is_waited_for(stripe):
    auto = switched_on()
    top_up = auto_charging.begin(auto.pk)
    auto_settling.settle(top_up, card_payments.read_payment(payment(top_up, status="processing", amount_received=0)))
    assert (statuses(auto), auto_charging.top_up_if_low(auto.pk)) == (["pending"], None)
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
    top_up = auto_charging.begin(auto.pk)
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
    automatic = auto_charging.begin(auto.pk)
    assert stripe.says("checkout.session.completed", session(automatic, id="cs_forged")) == "refused"


def test_a_payment_of_somebody_elses_is_ignored_without_a_question(stripe, line):
    asked = len(line.asked)
    about = {"id": "pi_shop", "object": "payment_intent", "amount": 100, "metadata": {}, "status": "succeeded"}
    assert stripe.says("payment_intent.succeeded", about) == "ignored"
    assert len(line.asked) == asked


def test_a_suspended_account_is_not_charged_and_stays_off():
    auto = switched_on()
    suspension.suspend(auto.wallet.account, actor=None, reason="a test's")
    assert auto_charging.top_up_if_low(auto.pk) is None
    auto_charging.end_those_of_inactive_accounts()
    assert (now_as(auto).is_on, now_as(auto).off_reason, told(auto, "auto_topup_off")) == (False, "suspended", 1)


def test_a_disputed_payment_switches_it_off(stripe):
    auto = switched_on()
    auto_charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert stripe.says("charge.dispute.created", dispute(top_up, payment_intent=top_up.payment_id)) == "disputed"
    assert (now_as(auto).is_on, now_as(auto).off_reason) == (False, "disputed")
    assert Account.objects.get(pk=auto.wallet.account_id).status == "suspended"


def test_a_refunded_payment_is_not_charged_again(stripe):
    auto = switched_on()
    auto_charging.top_up_if_low(auto.pk)
    (top_up,) = of(auto)
    assert stripe.says("charge.refunded", charge_told(top_up, refunded="10.00", payment_intent=top_up.payment_id)) == "refunded"
    assert (balance(auto), now_as(auto).off_reason) == (100, "refunded")
    assert auto_charging.top_up_if_low(auto.pk) is None


@pytest.mark.parametrize("refunded", ["2.00", "100.00"])
def test_a_refunded_checkout_is_nothing_to_charge_the_card_for(stripe, line, refunded):
    auto = switched_on(balance=0, threshold=99_000)
    top_up = pending(auto.wallet, amount_usd="100.00")
    stripe.pays(top_up)
    assert stripe.says("charge.refunded", charge_told(top_up, refunded=refunded)) == "refunded"
    assert (now_as(auto).is_on, now_as(auto).off_reason, told(auto, "auto_topup_off")) == (False, "refunded", 1)
    assert Notice.objects.get(account=auto.wallet.account_id, kind="auto_topup_off").context["reason"] == "refunded"
    assert (auto_charging.top_up_if_low(auto.pk), line.count(*CHARGES)) == (None, 0)


def test_a_card_that_was_removed_between_fails_without_a_payment(line):
    auto = switched_on()
    auto_charging.begin(auto.pk)
    assert cards.remove(auto.wallet, actor=auto.wallet.account.user)
    assert auto_charging.charge(of(auto)[0]) == "failed"
    state = now_as(auto)
    assert (state.is_on, state.off_reason, state.failures, state.has_card) == (False, "card_removed", 0, False)
    assert (made_at_the_provider(auto), told(auto, "auto_topup_failed")) == (0, 0)


def test_a_provider_that_is_away_makes_nothing_fail(line):
    auto = switched_on()
    line.is_cut = True
    auto_charging.top_up_if_low(auto.pk)
    assert reconciling.ask(of(auto)[0]) is None
    assert (statuses(auto), now_as(auto).failures) == (["pending"], 0)
    line.is_cut = False
    assert reconciling.ask(of(auto)[0]) == "credited"


def test_the_books_hold():
    auto = switched_on()
    auto_charging.top_up_if_low(auto.pk)
    assert [difference for difference in audit.audit() if difference.wallet_id == auto.wallet_id] == []
