"""What staff see of top-ups: lists to look at, what does not fit on the front page, and mails that read well."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.admin.utils import quote
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts import notices
from accounts.models import Event
from tests.browsing import read, signed_in, text
from tests.factories import StaffFactory
from tests.topups.told import charge, dispute, moves, pending, session
from tests.wallets.quiet_books import quiet_books
from wallets import alerts
from wallets.models import Dispute, TopUp, WebhookEvent
from wallets.top_ups import problems
from wallets.top_ups.standing import TopUpStanding

pytestmark = pytest.mark.django_db

VIEWS = ["wallets.view_topup", "wallets.view_webhookevent", "wallets.view_dispute"]


@pytest.fixture
def staff():
    return signed_in(StaffFactory(permissions=VIEWS))


@pytest.fixture
def top_up(stripe, wallet):
    """Paid, partly given back, disputed; one word about it did not fit."""
    top_up = pending(wallet)
    stripe.pays(top_up, amount_total=1)
    stripe.pays(top_up)
    stripe.says("charge.refunded", charge(top_up, refunded="4.00"))
    stripe.says("charge.dispute.created", dispute(top_up))
    return top_up


def paid(stripe, wallet) -> TopUp:
    top_up = pending(wallet)
    stripe.pays(top_up)
    return top_up


def listed(staff, title: str, page) -> list[str]:
    """The rows of the list that a matter on the front page leads to."""
    (url,) = [matter.url for matter in page.context["matters"] if matter.title == title]
    return [row.pk for row in staff.get(url).context["cl"].result_list]


def test_a_top_up_shows_its_disputes_and_what_was_told_and_can_not_be_changed(staff, top_up):
    url = reverse("admin:wallets_topup_change", args=[top_up.pk])
    page = staff.get(url)
    shown = text(page)
    assert page.status_code == 200
    for expected in (top_up.session_id, f"du_{top_up.pk}", "it is about 1 cents, not 1000", "charge.refunded", "6000.0000"):
        assert expected in shown
    assert top_up.checkout_url not in page.content.decode()
    assert staff.post(url, {"status": "pending"}).status_code == 403
    assert staff.get(reverse("admin:wallets_topup_add")).status_code == 403
    assert TopUp.objects.get(pk=top_up.pk).status == "paid"


@pytest.mark.parametrize(
    "term",
    ["{0.pk}", "{0.session_id}", "{0.payment_id}", "{0.wallet.account.user.email}", "{0.wallet.account.user.email:.9}"],
)
def test_a_top_up_is_found(staff, top_up, term):
    top_up.refresh_from_db()
    page = staff.get(reverse("admin:wallets_topup_changelist"), {"q": term.format(top_up)})
    assert top_up.pk in text(page)
    assert top_up.pk not in text(staff.get(reverse("admin:wallets_topup_changelist"), {"q": "pi_none"}))


def test_webhooks_are_listed_with_what_became_of_them(staff, top_up):
    page = text(staff.get(reverse("admin:wallets_webhookevent_changelist"), {"q": top_up.pk}))
    for expected in (
        "4 webhook events",
        "it is about 1 cents, not 1000",
        "checkout.session.completed",
        "charge.dispute.created",
        top_up.pk,
    ):
        assert expected in page


def test_what_does_not_fit_stands_on_the_front_page(staff, top_up):
    refused = top_up.webhook_events.get(verdict="refused")
    page = staff.get(reverse("admin:index"))
    assert "Words of payment providers that don't fit our books" in text(page)
    assert refused.event_id in text(page)
    link = reverse("admin:wallets_webhookevent_change", args=[refused.pk])
    assert link in read(page).links
    assert staff.get(link).status_code == 200


def mark(client, model: str, row) -> int:
    url = reverse(f"admin:wallets_{model}_changelist")
    return client.post(url, {"action": "deal_with", "_selected_action": [row.pk]}).status_code


def test_a_refused_event_stays_on_the_front_page_until_it_is_dealt_with(staff, top_up):
    refused = top_up.webhook_events.get(verdict="refused")
    WebhookEvent.objects.filter(pk=refused.pk).update(received_at=timezone.now() - timedelta(days=30))
    link = reverse("admin:wallets_webhookevent_change", args=[refused.pk])
    quiet = WebhookEvent.objects.filter(verdict="refused").exclude(pk=refused.pk)
    quiet.update(seen_at=timezone.now())
    assert link in read(staff.get(reverse("admin:index"))).links
    mark(staff, "webhookevent", refused)
    assert link in read(staff.get(reverse("admin:index"))).links, "looking at them is not enough"
    member = StaffFactory(permissions=[*VIEWS, "wallets.change_webhookevent"])
    client = signed_in(member)
    listed = client.get(reverse("admin:wallets_webhookevent_changelist"), {"verdict__exact": "refused", "seen_at__isempty": 1})
    assert refused.event_id in text(listed)
    assert "I have dealt with it" in text(listed)
    assert mark(client, "webhookevent", refused) == 302
    assert link not in read(client.get(reverse("admin:index"))).links
    refused.refresh_from_db()
    assert (refused.seen_by, refused.seen_at is None) == (member, False)


def test_a_top_up_in_question_stands_on_the_front_page_until_it_is_dealt_with(top_up):
    TopUp.objects.exclude(problem="").update(problem="")
    problems.note(top_up, "it is of another payment")
    member = StaffFactory(permissions=[*VIEWS, "wallets.change_topup"])
    client = signed_in(member)
    front = client.get(reverse("admin:index"))
    assert "it is of another payment" in text(front)
    assert reverse("admin:wallets_topup_change", args=[quote(top_up.pk)]) in read(front).links
    assert top_up.pk in text(client.get(reverse("admin:wallets_topup_changelist"), {"problem__isempty": 0}))
    assert dict(alerts.up())["in question"]["top_ups"] == top_up.pk
    assert mark(client, "topup", top_up) == 302
    assert "it is of another payment" not in text(client.get(reverse("admin:index")))
    event = Event.objects.get(account=top_up.wallet.account_id, kind="topup.dealt_with")
    assert (event.actor, event.data["problem"]) == (member, "it is of another payment")


def test_an_open_dispute_stands_on_the_front_page_until_it_is_closed(staff, stripe, wallet):
    quiet_books()
    top_up = paid(stripe, wallet)
    stripe.says("charge.dispute.created", dispute(top_up))
    page = staff.get(reverse("admin:index"))
    assert f"{top_up.pk} {wallet.account.user.email} 10.00" in text(page)
    assert [top_up.pk] == listed(staff, "Payment disputes", page)
    assert reverse("admin:wallets_topup_change", args=[quote(top_up.pk)]) in read(page).links
    stripe.says("charge.dispute.closed", dispute(top_up, status="won"))
    assert "Payment disputes" not in text(staff.get(reverse("admin:index")))


def test_a_lost_dispute_stands_on_the_front_page_for_a_day(staff, stripe, wallet):
    quiet_books()
    top_up = paid(stripe, wallet)
    stripe.says("charge.dispute.closed", dispute(top_up, status="lost"))
    page = staff.get(reverse("admin:index"))
    assert [matter.title for matter in page.context["matters"]] == ["Payment disputes that were lost"]
    assert [top_up.pk] == listed(staff, "Payment disputes that were lost", page)
    Dispute.objects.filter(top_up=top_up).update(closed_at=timezone.now() - timedelta(hours=25))
    assert "Payment disputes" not in text(staff.get(reverse("admin:index")))


def test_who_may_not_see_top_ups_sees_no_dispute_on_the_front_page(top_up):
    page = signed_in(StaffFactory(permissions=["wallets.view_wallet"])).get(reverse("admin:index"))
    assert "Payment disputes" not in text(page)


def test_the_list_says_what_became_of_each_top_up_and_finds_them_by_it(staff, stripe, wallet):
    tops = {
        "pending": pending(wallet),
        "submitted": pending(wallet, submitted_at=timezone.now()),
        "failed": pending(wallet, status="failed", ended_at=timezone.now()),
        **{name: paid(stripe, wallet) for name in ("paid", "partly_refunded", "refunded", "won", "disputed", "dispute_lost")},
    }
    stripe.says("charge.refunded", charge(tops["partly_refunded"], refunded="4.00"))
    for name in ("refunded", "disputed"):
        stripe.says("charge.refunded", charge(tops[name], refunded="10.00"))
    stripe.says("charge.dispute.created", dispute(tops["disputed"]))
    stripe.says("charge.dispute.closed", dispute(tops["won"], status="won"))
    stripe.says("charge.dispute.closed", dispute(tops["dispute_lost"], status="lost"))
    page = reverse("admin:wallets_topup_changelist")
    found = {}
    for standing, label in TopUpStanding.choices:
        answer = staff.get(page, {"standing": standing, "q": wallet.account.user.email})
        found[standing] = {row.pk for row in answer.context["cl"].result_list}
        assert label in text(answer)
    by_name = {standing: {tops[standing].pk} if standing in tops else set() for standing in TopUpStanding.values}
    assert found == {**by_name, "paid": {tops["paid"].pk, tops["won"].pk}}


def test_an_automatic_top_up_shows_no_end_of_a_checkout(staff, wallet):
    auto = pending(wallet, kind="auto", customer_id="cus_1", payment_method_id="pm_1")
    shown = [text(staff.get(reverse("admin:wallets_topup_change", args=[one.pk]))) for one in (auto, pending(wallet))]
    assert ["When the provider's checkout ends" in page for page in shown] == [False, True]


def test_who_may_not_see_webhooks_sees_none_on_the_front_page(top_up):
    page = signed_in(StaffFactory(permissions=["wallets.view_wallet"])).get(reverse("admin:index"))
    assert "payment providers" not in text(page)


def test_the_mails_say_how_much_and_where(top_up, stripe, wallet):
    failed = pending(wallet)
    stripe.pays(failed, payment_status="unpaid")
    stripe.says("checkout.session.async_payment_failed", session(failed, payment_status="unpaid"))
    notices.send()
    address = wallet.account.user.email
    mails = {message.subject: message.body for message in mail.outbox if message.to == [address]}
    assert list(mails) == [
        "Receipt for $10.00: 10,000.0000 credits",
        "$4.00 of your payment of $10.00 was given back",
        "Your account is suspended: a payment was disputed",
        "Your payment of $10.00 did not arrive",
    ]
    receipt = mails["Receipt for $10.00: 10,000.0000 credits"]
    for expected in ("1,000.0000 credits per USD", top_up.pk, f"/wallet/top-ups/{top_up.pk}", "UTC", address):
        assert expected in receipt
    assert "4,000.0000 of its 10,000.0000 credits" in mails["$4.00 of your payment of $10.00 was given back"]
    assert "{" not in json.dumps(mails)[1:-1]
    assert len(moves(wallet)) == 3
