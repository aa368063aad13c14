"""What a payment provider tells us is acted on once, in whatever order it comes, and only where it fits the top-up it names."""

from __future__ import annotations

import itertools
import json
import random
import time
from decimal import Decimal

import pytest

from accounts.models import Account, Notice
from tests.factories import WalletFactory
from tests.topups.told import charge, dispute, event, moves, new, pending, session
from wallets import alerts, ledger
from wallets.audit import audit
from wallets.models import TopUp, WebhookEvent
from wallets.top_ups import payments, webhooks

pytestmark = pytest.mark.django_db


@pytest.fixture
def top_up(wallet):
    return pending(wallet)


def seen(top_up) -> list[tuple[str, str]]:
    return list(top_up.webhook_events.order_by("id").values_list("type", "verdict"))


def test_a_payment_is_credited_with_a_receipt(stripe, top_up):
    assert stripe.pays(top_up) == "credited"
    top_up.refresh_from_db()
    assert (top_up.status, top_up.payment_id) == ("paid", f"pi_{top_up.pk}")
    assert moves(top_up.wallet) == [("topup", "10000.0000")]
    notice = Notice.objects.get(account=top_up.wallet.account_id)
    assert (notice.kind, notice.reference) == ("topup_paid", f"topup:{top_up.pk}")
    assert notice.context["credits"] == "10,000.0000"


def test_the_credits_are_those_of_the_rate_it_was_made_at(stripe, wallet):
    top_up = pending(wallet, credits=Decimal(8000), credits_per_usd_rate=800)
    stripe.pays(top_up)
    assert moves(wallet) == [("topup", "8000.0000")]


def test_the_same_event_again_is_counted_and_nothing_else(stripe, top_up):
    told = json.dumps(event("checkout.session.completed", session(top_up)))
    assert [stripe.deliver(told).status_code for _ in range(3)] == [200] * 3
    assert moves(top_up.wallet) == [("topup", "10000.0000")]
    assert list(top_up.webhook_events.values_list("verdict", "deliveries")) == [("credited", 3)]


def test_two_events_about_one_payment_credit_once(stripe, top_up):
    assert stripe.pays(top_up) == "credited"
    assert stripe.says("checkout.session.async_payment_succeeded", session(top_up)) == "duplicate"
    assert len(moves(top_up.wallet)) == 1


def test_money_on_its_way_is_waited_for(stripe, top_up):
    assert stripe.pays(top_up, payment_status="unpaid") == "submitted"
    top_up.refresh_from_db()
    assert (top_up.status, top_up.submitted_at is None, moves(top_up.wallet)) == ("pending", False, [])
    assert stripe.says("checkout.session.async_payment_succeeded", session(top_up)) == "credited"
    assert moves(top_up.wallet) == [("topup", "10000.0000")]


def test_money_that_does_not_arrive_fails_with_a_mail(stripe, top_up):
    stripe.pays(top_up, payment_status="unpaid")
    assert stripe.says("checkout.session.async_payment_failed", session(top_up, payment_status="unpaid")) == "failed"
    top_up.refresh_from_db()
    assert (top_up.status, moves(top_up.wallet)) == ("failed", [])
    assert Notice.objects.get(account=top_up.wallet.account_id).kind == "topup_failed"


def test_an_expired_checkout_ends_without_a_mail(stripe, top_up):
    unpaid = session(top_up, status="expired", payment_status="unpaid", payment_intent=None)
    assert stripe.says("checkout.session.expired", unpaid) == "expired"
    top_up.refresh_from_db()
    assert (top_up.status, Notice.objects.filter(account=top_up.wallet.account_id).count()) == ("expired", 0)


@pytest.mark.parametrize("end", ["failed", "expired"])
def test_a_payment_after_the_end_is_credited_all_the_same(stripe, wallet, end, caplog):
    top_up = pending(wallet, status=end, ended_at="2026-01-01T00:00Z")
    assert stripe.pays(top_up) == "credited"
    assert moves(wallet) == [("topup", "10000.0000")]
    assert top_up.webhook_events.get().reason == f"after it had {end}"
    assert "paid after its end" in caplog.text


def test_an_end_after_the_payment_changes_nothing(stripe, top_up):
    stripe.pays(top_up)
    assert stripe.says("checkout.session.expired", session(top_up, status="expired")) == "duplicate"
    assert stripe.says("checkout.session.async_payment_failed", session(top_up)) == "duplicate"
    assert TopUp.objects.get(pk=top_up.pk).status == "paid"


def test_a_payment_is_credited_before_we_know_its_checkout(stripe, wallet):
    """The provider was faster than our own note of what it made."""
    top_up = pending(wallet, session_id="", checkout_url="")
    assert stripe.pays(top_up, id="cs_the_first") == "credited"
    assert TopUp.objects.get(pk=top_up.pk).session_id == "cs_the_first"


WRONG = {
    "amount": {"amount_total": 999},
    "more": {"amount_total": 1001},
    "no amount": {"amount_total": None},
    "currency": {"currency": "eur"},
    "checkout": {"id": "cs_of_somebody_else"},
    "account": {"metadata": {"account": "0"}},
    "no account": {"metadata": {}},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_moves_no_money_and_is_shown_to_staff(stripe, top_up, fields, caplog):
    assert stripe.pays(top_up, **fields) == "refused"
    assert moves(top_up.wallet) == []
    assert TopUp.objects.get(pk=top_up.pk).status == "pending"
    (line,) = [record for record in caplog.records if record.name == "wallets.top_ups.webhooks"]
    assert (line.levelname, line.top_up) == ("ERROR", top_up.pk)
    assert alerts.refused_webhooks().filter(top_up=top_up).count() == 1
    assert "webhooks refused" in dict(alerts.up())


def test_another_provider_moves_no_money(stripe, settings, wallet):
    at_the_sandbox = pending(wallet, provider="sandbox")
    assert stripe.pays(at_the_sandbox) == "refused"
    assert moves(wallet) == []
    assert "provider is sandbox" in at_the_sandbox.webhook_events.get().reason


def test_a_payment_of_another_top_up_moves_no_money(stripe, wallet):
    first, second = pending(wallet), pending(wallet)
    stripe.pays(first)
    assert stripe.pays(second, payment_intent=f"pi_{first.pk}") == "refused"
    assert stripe.says("charge.refunded", charge(first, refunded="10.00", payment_intent="pi_another")) == "refused"
    assert len(moves(wallet)) == 1


def test_a_second_payment_that_was_read_before_the_first_was_taken_is_refused(stripe, top_up):
    provider = payments.by_name("stripe")
    told = [
        webhooks.read(provider, event("checkout.session.completed", session(top_up, payment_intent=f"pi_{which}_{top_up.pk}")))
        for which in ("first", "second")
    ]
    first, second = [webhooks.take(one) for one in told]
    assert (first.verdict, second.verdict, second.reason) == ("credited", "refused", "it is of another payment")
    assert len(moves(top_up.wallet)) == 1


@pytest.mark.parametrize(
    ("type", "about"),
    [
        ("checkout.session.completed", {"id": "cs_shop", "client_reference_id": "order 7", "payment_status": "paid", "metadata": {}}),
        ("checkout.session.completed", {"id": "cs_shop", "client_reference_id": None, "metadata": None}),
        ("charge.refunded", {"id": "ch_shop", "amount": 100, "amount_refunded": 100, "metadata": {}, "payment_intent": "pi_shop"}),
        ("charge.dispute.created", {"id": "du_shop", "amount": 100, "payment_intent": "pi_shop"}),
        ("customer.created", {"id": "cus_shop"}),
    ],
)
def test_what_is_none_of_ours_is_taken_and_ignored(stripe, type, about):
    before = TopUp.objects.filter(status="paid").count()
    assert stripe.says(type, about) == "ignored"
    assert TopUp.objects.filter(status="paid").count() == before


def forged(stripe, body):
    now = int(time.time())
    return {
        "without": "",
        "another secret": stripe.signature(body, secret="whsec_other"),
        "another body": stripe.signature(body + " "),
        "old": stripe.signature(body, timestamp=now - 400),
        "garbage": "t=x,v1=y",
        "not ascii": "t=1,v1=\u00e9",
        "another time": stripe.signature(body, timestamp=now - 10).replace(f"t={now - 10}", f"t={now}"),
    }


@pytest.mark.parametrize("how", ["without", "another secret", "another body", "old", "garbage", "not ascii", "another time"])
def test_a_forged_webhook_is_refused_without_a_word(stripe, top_up, how):
    body = json.dumps(event("checkout.session.completed", session(top_up)))
    response = stripe.deliver(body, forged(stripe, body)[how])
    assert (response.status_code, response.content) == (400, b"")
    assert (moves(top_up.wallet), seen(top_up)) == ([], [])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "1",
        "null",
        "{}",
        '{"data": 1}',
        '{"id": "evt", "data": {"object": {}}}',
        "[" * 200_000,
        '{"id": "\\u0000", "type": "x", "data": {"object": {}}}',
    ],
)
def test_signed_garbage_is_a_bad_request(stripe, body):
    assert stripe.deliver(body).status_code == 400


def test_a_secret_stays_out_of_the_log(stripe, top_up, caplog, settings):
    body = json.dumps(event("checkout.session.completed", session(top_up)))
    stripe.deliver(body, stripe.signature(body, secret="whsec_other"))
    stripe.pays(top_up, amount_total=1)
    assert all(secret not in caplog.text for secret in ("whsec_", settings.STRIPE_SECRET_KEY, "t="))


def test_only_posts_to_a_provider_that_is_set_up(stripe, client, settings, top_up):
    assert client.get("/webhooks/stripe", headers={"host": "localhost"}).status_code == 405
    settings.STRIPE_SECRET_KEY = ""
    body = json.dumps(event("checkout.session.completed", session(top_up)))
    assert stripe.deliver(body).status_code == 404
    assert client.post("/webhooks/paypal", headers={"host": "localhost"}).status_code == 404
    assert moves(top_up.wallet) == []


def test_parts_given_back_take_what_the_whole_would(stripe, wallet):
    top_up = pending(wallet, amount_usd="7.00", credits=Decimal("1000.0001"), credits_per_usd_rate=Decimal("142.8572"))
    stripe.pays(top_up)
    for refunded in ("1.00", "2.00", "4.33", "7.00"):
        assert stripe.says("charge.refunded", charge(top_up, refunded=refunded)) == "refunded"
    assert sum(Decimal(amount) for _, amount in moves(wallet)) == 0
    assert [kind for kind, _ in moves(wallet)] == ["topup"] + ["topup_refund"] * 4
    assert Notice.objects.filter(account=wallet.account_id, kind="topup_refunded").count() == 4


def test_refunds_out_of_order_take_the_newest_sum(stripe, top_up):
    stripe.pays(top_up)
    assert stripe.says("charge.refunded", charge(top_up, refunded="6.00")) == "refunded"
    assert stripe.says("charge.refunded", charge(top_up, refunded="2.00")) == "duplicate"
    assert moves(top_up.wallet)[1:] == [("topup_refund", "-6000.0000")]


def test_a_refund_before_the_payment_waits_for_it(stripe, top_up):
    assert stripe.says("charge.refunded", charge(top_up, refunded="4.00")) == "refunded"
    assert moves(top_up.wallet) == []
    stripe.pays(top_up)
    assert moves(top_up.wallet) == [("topup", "10000.0000"), ("topup_refund", "-4000.0000")]


def test_more_given_back_than_paid_is_refused(stripe, top_up):
    stripe.pays(top_up)
    assert stripe.says("charge.refunded", charge(top_up, refunded="10.01")) == "refused"
    assert stripe.says("charge.refunded", charge(top_up, refunded="1.00", currency="eur")) == "refused"
    assert len(moves(top_up.wallet)) == 1


def test_a_failed_refund_is_for_staff(stripe, top_up):
    stripe.pays(top_up)
    about = {"id": "re_1", "object": "refund", "payment_intent": f"pi_{top_up.pk}", "status": "failed"}
    assert stripe.says("refund.failed", about) == "refused"
    assert "by hand" in top_up.webhook_events.order_by("id").last().reason


def test_a_dispute_takes_the_credits_and_suspends_the_account(stripe, top_up):
    stripe.pays(top_up)
    assert stripe.says("charge.dispute.created", dispute(top_up)) == "disputed"
    assert stripe.says("charge.dispute.funds_withdrawn", dispute(top_up)) == "duplicate"
    account = Account.objects.get(pk=top_up.wallet.account_id)
    assert (account.status, moves(top_up.wallet)[1:]) == ("suspended", [("dispute", "-10000.0000")])
    suspended = account.events.get(kind="account.suspended")
    assert (suspended.actor, f"du_{top_up.pk}" in suspended.data["reason"]) == (None, True)
    assert Notice.objects.filter(account=account, kind="topup_disputed").count() == 1


def test_an_inquiry_takes_nothing_until_the_money_is_withdrawn(stripe, top_up):
    stripe.pays(top_up)
    assert stripe.says("charge.dispute.created", dispute(top_up, status="warning_needs_response")) == "ignored"
    assert Account.objects.get(pk=top_up.wallet.account_id).status == "active"
    assert stripe.says("charge.dispute.funds_withdrawn", dispute(top_up)) == "disputed"


def test_a_dispute_that_is_won_gives_back_and_leaves_the_account_to_staff(stripe, top_up):
    stripe.pays(top_up)
    stripe.says("charge.dispute.created", dispute(top_up))
    assert stripe.says("charge.dispute.closed", dispute(top_up, status="won")) == "dispute_won"
    assert stripe.says("charge.dispute.funds_reinstated", dispute(top_up, status="won")) == "duplicate"
    assert moves(top_up.wallet)[1:] == [("dispute", "-10000.0000"), ("dispute_won", "10000.0000")]
    assert Account.objects.get(pk=top_up.wallet.account_id).status == "suspended"


def test_a_dispute_that_is_lost_keeps_what_it_took(stripe, top_up):
    stripe.pays(top_up)
    stripe.says("charge.dispute.created", dispute(top_up))
    assert stripe.says("charge.dispute.closed", dispute(top_up, status="lost")) == "dispute_lost"
    assert moves(top_up.wallet)[1:] == [("dispute", "-10000.0000")]


def test_a_dispute_we_hear_of_when_it_is_lost_takes_and_suspends(stripe, top_up):
    stripe.pays(top_up)
    assert stripe.says("charge.dispute.closed", dispute(top_up, status="lost")) == "dispute_lost"
    assert stripe.says("charge.dispute.created", dispute(top_up)) == "duplicate"
    assert moves(top_up.wallet)[1:] == [("dispute", "-10000.0000")]
    assert Account.objects.get(pk=top_up.wallet.account_id).status == "suspended"


def test_a_dispute_we_hear_of_when_it_is_won_takes_nothing(stripe, top_up):
    stripe.pays(top_up)
    assert stripe.says("charge.dispute.closed", dispute(top_up, status="won")) == "dispute_won"
    assert stripe.says("charge.dispute.created", dispute(top_up)) == "duplicate"
    assert len(moves(top_up.wallet)) == 1


def test_an_inquiry_that_is_over_is_no_win_and_may_still_become_a_dispute(stripe, top_up):
    stripe.pays(top_up)
    assert stripe.says("charge.dispute.created", dispute(top_up, status="warning_needs_response")) == "ignored"
    assert stripe.says("charge.dispute.closed", dispute(top_up, status="warning_closed")) == "ignored"
    assert top_up.disputes.count() == 0
    assert stripe.says("charge.dispute.funds_withdrawn", dispute(top_up)) == "disputed"
    assert stripe.says("charge.dispute.closed", dispute(top_up, status="lost")) == "dispute_lost"
    assert moves(top_up.wallet)[1:] == [("dispute", "-10000.0000")]
    assert Account.objects.get(pk=top_up.wallet.account_id).status == "suspended"


@pytest.mark.parametrize(("status", "verdict"), [("won", "dispute_won"), ("lost", "dispute_lost")])
def test_money_that_comes_back_before_the_decision_decides_nothing(stripe, top_up, status, verdict):
    stripe.pays(top_up)
    stripe.says("charge.dispute.created", dispute(top_up))
    assert stripe.says("charge.dispute.funds_reinstated", dispute(top_up, status="under_review")) == "ignored"
    assert moves(top_up.wallet)[1:] == [("dispute", "-10000.0000")]
    assert stripe.says("charge.dispute.closed", dispute(top_up, status=status)) == verdict
    assert len(moves(top_up.wallet)) == (3 if status == "won" else 2)


@pytest.mark.parametrize(
    ("first", "what", "then"),
    [("won", "closed", "lost"), ("won", "funds_withdrawn", "under_review"), ("lost", "closed", "won"), ("lost", "funds_reinstated", "won")],
)
def test_a_decision_that_is_taken_back_moves_nothing_and_is_shown_to_staff(stripe, top_up, first, what, then):
    stripe.pays(top_up)
    stripe.says("charge.dispute.created", dispute(top_up))
    stripe.says("charge.dispute.closed", dispute(top_up, status=first))
    before = moves(top_up.wallet)
    assert stripe.says(f"charge.dispute.{what}", dispute(top_up, status=then)) == "refused"
    assert moves(top_up.wallet) == before
    assert "by hand" in alerts.refused_webhooks().get(top_up=top_up).reason


@pytest.mark.parametrize(("what", "status"), [("closed", "prevented"), ("closed", ""), ("funds_withdrawn", "warning_under_review")])
def test_what_can_not_be_told_of_a_dispute_is_for_staff(stripe, top_up, what, status):
    stripe.pays(top_up)
    assert stripe.says(f"charge.dispute.{what}", dispute(top_up, status=status)) == "refused"
    assert moves(top_up.wallet) == [("topup", "10000.0000")]


def test_what_a_won_dispute_gives_back_goes_to_those_that_found_too_little(stripe, top_up):
    stripe.pays(top_up)
    stripe.says("charge.refunded", charge(top_up, refunded="4.00"))
    stripe.says("charge.dispute.created", dispute(top_up, amount="5.00"))
    stripe.says("charge.dispute.created", dispute(top_up, amount="5.00", id="du_second"))
    assert moves(top_up.wallet)[2:] == [("dispute", "-5000.0000"), ("dispute", "-1000.0000")]
    stripe.says("charge.dispute.closed", dispute(top_up, amount="5.00", status="won"))
    assert moves(top_up.wallet)[4:] == [("dispute_won", "5000.0000"), ("dispute", "-4000.0000")]
    stripe.says("charge.dispute.closed", dispute(top_up, amount="5.00", id="du_second", status="won"))
    assert moves(top_up.wallet)[6:] == [("dispute_won", "5000.0000")]


def test_a_dispute_before_the_payment_takes_once_it_is_credited(stripe, top_up):
    TopUp.objects.filter(pk=top_up.pk).update(payment_id=f"pi_{top_up.pk}")
    assert stripe.says("charge.dispute.created", dispute(top_up)) == "disputed"
    assert (moves(top_up.wallet), Account.objects.get(pk=top_up.wallet.account_id).status) == ([], "suspended")
    stripe.pays(top_up)
    assert moves(top_up.wallet) == [("topup", "10000.0000"), ("dispute", "-10000.0000")]


def test_refund_and_dispute_together_take_no_more_than_was_given(stripe, wallet):
    top_up = pending(wallet)
    stripe.pays(top_up)
    stripe.says("charge.refunded", charge(top_up, refunded="4.00"))
    stripe.says("charge.dispute.created", dispute(top_up))
    stripe.says("charge.refunded", charge(top_up, refunded="10.00"))
    assert moves(wallet)[1:] == [("topup_refund", "-4000.0000"), ("dispute", "-6000.0000")]
    stripe.says("charge.dispute.closed", dispute(top_up, status="won"))
    assert moves(wallet)[3:] == [("dispute_won", "6000.0000"), ("topup_refund", "-6000.0000")]
    wallet.refresh_from_db()
    assert wallet.balance == 0


def test_two_disputes_about_one_payment_are_two(stripe, top_up):
    stripe.pays(top_up)
    stripe.says("charge.dispute.created", dispute(top_up, amount="3.00"))
    stripe.says("charge.dispute.created", dispute(top_up, amount="3.00", id="du_second"))
    assert moves(top_up.wallet)[1:] == [("dispute", "-3000.0000")] * 2


def test_a_bank_that_takes_more_than_was_paid_takes_from_us(stripe, top_up):
    stripe.pays(top_up)
    assert stripe.says("charge.dispute.created", dispute(top_up, amount="25.00")) == "disputed"
    assert moves(top_up.wallet)[1:] == [("dispute", "-10000.0000")]


ORDERS = random.Random(7).sample(list(itertools.permutations(range(5))), 24)


@pytest.mark.parametrize("won", [True, False])
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_in_any_order_all_that_was_taken_back_is_what_was_given(stripe, wallet, order, won):
    top_up = pending(wallet, amount_usd="9.99", credits=Decimal("3333.3333"), payment_id="pi_any")
    about = dispute(top_up, amount="6.66", payment_intent="pi_any")
    told = [
        ("checkout.session.completed", session(top_up, payment_intent="pi_any")),
        ("charge.refunded", charge(top_up, refunded="3.33", payment_intent="pi_any")),
        ("charge.refunded", charge(top_up, refunded="9.99", payment_intent="pi_any")),
        ("charge.dispute.created", about),
        ("charge.dispute.closed", {**about, "status": "won" if won else "lost"}),
    ]
    for number in order:
        stripe.says(*told[number])
        wallet.refresh_from_db()
        assert wallet.balance >= 0
    assert wallet.balance == 0
    assert [difference for difference in audit() if difference.wallet_id == wallet.pk] == []


def story(chance: random.Random, top_up: TopUp) -> tuple[list[tuple[str, dict]], Decimal, bool]:
    """All that a provider tells of a payment with refunds and two disputes; the USD that it holds back in the end; and whether it
    decided otherwise in between."""
    told = [("checkout.session.completed", session(top_up, payment_intent="pi_any"))]
    refunds = sorted(Decimal(chance.randint(1, 999)) / 100 for _ in range(chance.randint(0, 3)))
    told += [("charge.refunded", charge(top_up, refunded=str(refunded), payment_intent="pi_any")) for refunded in refunds]
    held, contradicted = max(refunds, default=Decimal(0)), False
    for number in range(chance.randint(0, 2)):
        amount = Decimal(chance.randint(1, 999)) / 100
        ends = chance.choice([["warning_closed"], [], ["won"], ["lost"], ["won", "lost"], ["lost", "won"]])

        def say(what: str, status: str, amount: Decimal = amount, number: int = number) -> tuple[str, dict]:
            return f"charge.dispute.{what}", dispute(
                top_up, amount=str(amount), status=status, id=f"du_{number}_{top_up.pk}", payment_intent="pi_any"
            )

        if chance.random() < 0.5 or ends == ["warning_closed"]:
            told += [say("created", "warning_needs_response"), say("closed", "warning_closed")]
        if ends == ["warning_closed"]:
            continue
        told += [say("created", "needs_response"), say("funds_withdrawn", "needs_response")]
        if chance.random() < 0.5:
            told.append(say("funds_reinstated", "under_review"))
        for end in ends:
            told.append(say("closed", end))
            if end == "won" and chance.random() < 0.5:
                told.append(say("funds_reinstated", end))
        held += 0 if ends[-1:] == ["won"] else amount
        contradicted = contradicted or len(ends) == 2
    return told, min(held, top_up.amount_usd), contradicted


@pytest.mark.parametrize("in_order", [True, False], ids=["in order", "shuffled"])
@pytest.mark.parametrize("seed", range(25))
def test_what_is_taken_is_what_the_provider_holds_back_or_staff_are_told(stripe, wallet, seed, in_order):
    chance = random.Random(seed)
    top_up = pending(wallet, amount_usd="9.99", payment_id="pi_any")
    told, held_usd, contradicted = story(chance, top_up)
    told += chance.sample(told, len(told) // 3)
    if not in_order:
        chance.shuffle(told)
    for one in told:
        stripe.says(*one)
        assert [difference for difference in audit() if difference.wallet_id == wallet.pk] == []
    wallet.refresh_from_db()
    if contradicted:
        assert alerts.refused_webhooks().filter(top_up=top_up).exists()
    else:
        assert wallet.balance == (top_up.amount_usd - held_usd) * 1000


def test_a_wallet_that_spent_what_is_taken_back_goes_below_zero(stripe):
    spent = WalletFactory(balance=1)
    top_up = pending(spent)
    stripe.pays(top_up)
    ledger.credit(spent, kind="adjustment", amount=Decimal(-10000), reference=new("adjustment"), reason="spent")
    stripe.says("charge.refunded", charge(top_up, refunded="10.00"))
    spent.refresh_from_db()
    assert spent.balance == -9999


def test_every_event_is_remembered_with_what_became_of_it(stripe, top_up):
    stripe.pays(top_up, amount_total=1)
    stripe.pays(top_up)
    stripe.says("customer.created", {"id": "cus"})
    assert [verdict for _, verdict in seen(top_up)] == ["refused", "credited"]
    assert WebhookEvent.objects.filter(type="customer.created", top_up=None, verdict="ignored").exists()
