"""Staff look at the books, move credits by a reasoned entry, and set the rate by a new version."""

import uuid
from decimal import Decimal
from urllib.parse import quote

import pytest
from django.contrib.admin.utils import quote as admin_quote
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.formats import date_format

from accounts.models import Event
from tests.browsing import browser, read, signed_in, text
from tests.factories import StaffFactory, WalletFactory
from tests.wallets.calls import charge, hold, now, rate_in_force
from wallets import holds
from wallets.audit import audit
from wallets.holds import Reservation
from wallets.models import CreditsPerUsdRate, IdempotencyKey, LedgerEntry

pytestmark = pytest.mark.django_db

ADD_ENTRY = reverse("admin:wallets_ledgerentry_add")
ADD_RATE = reverse("admin:wallets_creditsperusdrate_add")


LOOK = ["wallets.view_wallet", "wallets.view_ledgerentry", "wallets.view_usagerecord", "wallets.view_creditsperusdrate"]


@pytest.fixture
def staff():
    rights = [*LOOK, "wallets.change_wallet", "wallets.add_ledgerentry", "wallets.add_creditsperusdrate"]
    return signed_in(StaffFactory(permissions=rights))


@pytest.fixture
def wallet():
    wallet = WalletFactory(balance=10)
    held = hold(wallet, 4, request_id=f"req-{wallet.pk}", usage_id=f"chatcmpl_{wallet.pk}")
    holds.place([held])
    holds.settle([charge(held, 3)])
    return wallet


def listed(client, model, **query):
    response = client.get(reverse(f"admin:wallets_{model}_changelist"), query)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def move(client, wallet, /, **fields):
    given = {"wallet": wallet.pk, "kind": "grant", "amount": "5", "reason": "sorry", "submission": str(uuid.uuid4()), **fields}
    return client.post(ADD_ENTRY, given)


def test_the_books_are_found_by_email_reference_and_ids(staff, wallet):
    email = wallet.account.user.email
    other = WalletFactory(balance=1)
    assert listed(staff, "wallet", q=email[:20]) == [wallet]
    assert [entry.kind for entry in listed(staff, "ledgerentry", q=email.upper())] == ["charge", "grant"]
    assert [entry.reference for entry in listed(staff, "ledgerentry", q=f"charge:chatcmpl_{wallet.pk}")] == [f"charge:chatcmpl_{wallet.pk}"]
    for term in (email, f"chatcmpl_{wallet.pk}", f"req-{wallet.pk}"):
        assert [record.pk for record in listed(staff, "usagerecord", q=term)] == [f"chatcmpl_{wallet.pk}"]
    assert listed(staff, "usagerecord", wallet__id__exact=other.pk) == []
    assert [entry.wallet for entry in listed(staff, "ledgerentry", wallet__id__exact=other.pk)] == [other]


def test_rates_are_found_by_email_and_reason(staff, wallet):
    rate = CreditsPerUsdRate.objects.create(wallet=wallet, value=800, reason="A deal with them")
    assert listed(staff, "creditsperusdrate", q=wallet.account.user.email) == [rate]
    assert listed(staff, "creditsperusdrate", q="a deal with") == [rate]
    assert listed(staff, "creditsperusdrate", q="x") == []


def test_every_page_opens_and_nothing_in_the_books_can_be_edited(staff, wallet):
    for model, row in [("wallet", wallet), ("ledgerentry", wallet.ledger.first()), ("usagerecord", wallet.usage.get())]:
        page = reverse(f"admin:wallets_{model}_change", args=[admin_quote(row.pk)])
        assert staff.get(page).status_code == 200
        assert staff.get(reverse(f"admin:wallets_{model}_delete", args=[admin_quote(row.pk)])).status_code == 403
        if model != "wallet":
            assert staff.post(page, {"amount": "1000", "charged_credits": "0"}).status_code == 403
    assert staff.get(ADD_ENTRY).status_code == staff.get(ADD_RATE).status_code == 200


def test_a_wallet_goes_by_its_accounts_address(staff, wallet):
    email = wallet.account.user.email
    for page in (ADD_ENTRY, ADD_RATE):
        assert email in staff.get(page, {"wallet": wallet.pk}).content.decode()
    for model, row in [("ledgerentry", wallet.ledger.first()), ("usagerecord", wallet.usage.get())]:
        assert email in staff.get(reverse(f"admin:wallets_{model}_change", args=[admin_quote(row.pk)])).content.decode()
    named = {"app_label": "wallets", "model_name": "ledgerentry", "field_name": "wallet", "term": email}
    assert staff.get(reverse("admin:autocomplete"), named).json()["results"] == [{"id": str(wallet.pk), "text": email}]


def test_an_id_in_a_title_stays_as_it_is_written(staff, wallet):
    page = text(staff.get(reverse("admin:wallets_usagerecord_change", args=[admin_quote(wallet.usage.get().pk)])))
    assert f"chatcmpl_{wallet.pk}" in page
    assert "Chatcmpl_" not in page
    assert "Usage records" in page


def test_the_ledger_shows_reasons(staff, wallet):
    move(staff, wallet, reason="an outage on Monday")
    page = staff.get(reverse("admin:wallets_ledgerentry_changelist"), {"wallet__id__exact": wallet.pk}).content.decode()
    assert "an outage on Monday" in page


def test_the_form_of_a_move_looks_like_the_others(staff):
    form = staff.get(ADD_ENTRY).context["adminform"].form
    for name in ("kind", "reason", "amount"):
        assert "border" in form.fields[name].widget.attrs["class"].split(), name


def test_the_wallets_page_leads_to_its_books(staff, wallet):
    for action in ("move", "ledger", "usage"):
        response = staff.get(f"{reverse('admin:wallets_wallet_changelist')}{wallet.pk}/{action}", follow=True)
        assert response.status_code == 200
        assert str(wallet.pk) in response.request["QUERY_STRING"]


@pytest.mark.parametrize("nobody", ["x", "0", "9" * 30, "\x00"])
def test_addresses_of_no_wallet(staff, nobody):
    for page in (ADD_ENTRY, ADD_RATE):
        assert staff.get(page, {"wallet": nobody}).status_code == 200
    for action in ("move", "ledger", "usage"):
        assert staff.get(f"{reverse('admin:wallets_wallet_changelist')}{quote(nobody)}/{action}/").status_code == 404
    given = {"wallet": nobody, "value": "800", "reason": "a deal", "effective_from_0": "", "effective_from_1": ""}
    assert list(staff.post(ADD_RATE, given).context["adminform"].form.errors) == ["wallet"]


def test_changing_the_calls_in_flight_leaves_the_amounts_alone(staff, wallet):
    page = reverse("admin:wallets_wallet_change", args=[wallet.pk])
    assert staff.post(page, {"max_in_flight": "5", "balance": "1000"}).status_code == 302
    wallet.refresh_from_db()
    assert (wallet.max_in_flight, wallet.balance) == (5, 7)
    event = Event.objects.get(kind="wallet.limit_changed", account=wallet.account)
    assert (event.actor, event.data) == (staff.user, {"before": 64, "after": 5})
    assert staff.post(page, {"max_in_flight": "5"}).status_code == 302
    assert Event.objects.filter(kind="wallet.limit_changed", account=wallet.account).count() == 1


def test_a_grant_is_an_entry_with_its_reason_and_author(staff, wallet):
    assert move(staff, wallet).status_code == 302
    entry = wallet.ledger.get(kind="grant", amount=5)
    assert (entry.actor, entry.reason, entry.balance_after) == (staff.user, "sorry", 12)
    event = Event.objects.get(kind="credits.moved", account=wallet.account)
    assert (event.actor, event.data) == (staff.user, {"credits": "5.0000", "reference": entry.reference, "reason": "sorry"})
    assert move(staff, wallet, kind="adjustment", amount="-12").status_code == 302
    assert now(wallet)[0] == 0


def test_a_form_sent_twice_is_one_entry(staff, wallet):
    once = str(uuid.uuid4())
    for _ in range(2):
        assert move(staff, wallet, submission=once).status_code == 302
    assert move(staff, wallet, submission=once, amount="6").status_code == 302
    assert now(wallet)[0] == 12
    assert Event.objects.filter(kind="credits.moved", account=wallet.account).count() == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"amount": "0"}, "not zero"),
        ({"amount": "-1"}, "above zero"),
        ({"amount": "0.00001"}, "4 decimal places"),
        ({"amount": "99999999999999"}, "At most 1,000,000,000 credits at once"),
        ({"amount": "-1000000000.0001", "kind": "adjustment"}, "At most 1,000,000,000 credits at once"),
        ({"wallet": "x"}, "valid choice"),
        ({"wallet": "9" * 30}, "valid choice"),
        ({"kind": "welcome"}, "valid choice"),
        ({"reason": " "}, "required"),
        ({"submission": "x"}, "UUID"),
    ],
)
def test_what_can_not_be_entered_is_said_on_the_form(staff, wallet, fields, says):
    response = move(staff, wallet, **fields)
    assert response.status_code == 200
    assert says in response.content.decode()
    assert now(wallet)[0] == 7


def test_more_than_is_available_is_not_taken(staff, wallet):
    given = {"wallet": wallet.pk, "kind": "adjustment", "amount": "-7.0001", "reason": "x", "submission": str(uuid.uuid4())}
    response = staff.post(ADD_ENTRY, given, follow=True)
    assert "Nothing was entered: only 7.0000 credits are available" in response.content.decode()
    assert now(wallet)[0] == 7


def test_only_those_who_may_move_credits(wallet):
    assert move(signed_in(StaffFactory(permissions=[*LOOK, "wallets.change_wallet"])), wallet).status_code == 403
    assert LedgerEntry.objects.filter(wallet=wallet).count() == 2


def test_a_time_in_the_address_of_the_form_does_no_harm(staff):
    assert staff.get(ADD_RATE, {"effective_from": "x"}).status_code == 200


def test_a_new_rate_is_a_new_version(staff, wallet):
    given = {"wallet": wallet.pk, "value": "800", "reason": "a deal", "effective_from_0": "", "effective_from_1": ""}
    assert staff.post(ADD_RATE, given).status_code == 302
    assert rate_in_force(wallet) == Decimal(800)
    rate = CreditsPerUsdRate.objects.get(wallet=wallet)
    assert (rate.author, rate.reason) == (staff.user, "a deal")
    assert Event.objects.get(kind="rate.added", account=wallet.account).data["credits_per_usd"] == "800"
    assert staff.post(reverse("admin:wallets_creditsperusdrate_change", args=[rate.pk]), given).status_code == 403
    past = {**given, "effective_from_0": "2020-01-01", "effective_from_1": "00:00:00"}
    assert "is over" in staff.post(ADD_RATE, past).content.decode()
    far = {**given, "effective_from_0": "9999-12-31", "effective_from_1": "23:59:59"}
    assert "a year ahead at most" in staff.post(ADD_RATE, far).content.decode()
    for bad in ({"value": "0"}, {"reason": ""}):
        assert staff.post(ADD_RATE, {**given, **bad}).status_code == 200
    assert CreditsPerUsdRate.objects.filter(wallet=wallet).count() == 1


def keyed(wallet, name, *, answer=b""):
    """The key of a call that runs, or that was answered."""
    held = hold(wallet, 1, usage_id=f"chatcmpl_{name}_{wallet.pk}", reservation=Reservation(f"digest-of-{name}", f"fingerprint-of-{name}"))
    holds.place([held])
    if answer:
        holds.settle([charge(held, 1, answer=answer)])
    return IdempotencyKey.objects.get(usage_id=held.usage_id)


def test_keys_are_looked_at_and_what_they_seal_is_not_even_read(wallet):
    running, answered = keyed(wallet, "running"), keyed(wallet, "answered", answer=b"sealed-answer")
    keyed(WalletFactory(balance=10), "other")
    staff = signed_in(StaffFactory(is_superuser=True))
    assert listed(staff, "idempotencykey", q=wallet.account.user.email) == [answered, running]
    for term in (answered.usage_id, f"chatcmpl_answered_{wallet.pk}"[:-1]):
        assert answered in listed(staff, "idempotencykey", q=term)
        assert running not in listed(staff, "idempotencykey", q=term)
    assert listed(staff, "idempotencykey", q="digest-of-running") == []
    shown = [reverse("admin:wallets_idempotencykey_change", args=[key.pk]) for key in (running, answered)]
    for page in [reverse("admin:wallets_idempotencykey_changelist"), *shown]:
        with CaptureQueriesContext(connection) as asked:
            content = staff.get(page).content.decode()
        assert wallet.account.user.email in content
        assert not any(secret in content for secret in ("digest-of", "fingerprint-of", "sealed-answer"))
        assert not any(f'"wallets_idempotencykey"."{secret}",' in one["sql"] for one in asked for secret in ("digest", "answer"))
    assert [key.answered for key in listed(staff, "idempotencykey", q=wallet.account.user.email)] == [True, False]
    for page in shown:
        assert staff.post(page, {"expires_at_0": "2099-01-01"}).status_code == 403
        assert staff.post(page.replace("/change/", "/delete/")).status_code == 403
    assert staff.get(reverse("admin:wallets_idempotencykey_add")).status_code == 403


def test_only_staff_who_may_view_keys_see_them(wallet):
    key = keyed(wallet, "running")
    pages = [reverse("admin:wallets_idempotencykey_changelist"), reverse("admin:wallets_idempotencykey_change", args=[key.pk])]
    for page in pages:
        assert signed_in(StaffFactory(permissions=LOOK)).get(page).status_code == 403
        assert signed_in(StaffFactory(permissions=["wallets.view_idempotencykey"])).get(page).status_code == 200
        assert "/admin/login/" in signed_in(wallet.account.user).get(page).headers["Location"]


def refund_page(usage_id):
    return f"{reverse('admin:wallets_usagerecord_changelist')}{admin_quote(usage_id)}/refund/"


def refund(client, wallet, /, **fields):
    given = {"credits": "2", "reason": "cut short", "submission": str(uuid.uuid4()), **fields}
    return client.post(refund_page(f"chatcmpl_{wallet.pk}"), given, follow=True)


def refunded(wallet):
    return [(entry.amount, entry.actor, entry.reason) for entry in wallet.ledger.filter(kind="refund").order_by("seq")]


def test_a_call_is_refunded_from_its_page_with_a_reason(staff, wallet):
    page = reverse("admin:wallets_usagerecord_change", args=[admin_quote(f"chatcmpl_{wallet.pk}")])
    assert refund_page(f"chatcmpl_{wallet.pk}") in read(staff.get(page)).links
    form = staff.get(refund_page(f"chatcmpl_{wallet.pk}"))
    assert form.context["form"].initial["credits"] == 3
    assert "3.0000 credits were charged, 3.0000 of them can be given back." in text(form)
    assert "Internal: it stands in the ledger for good, and customers see the amount and the time, not the reason." in text(form)

    response = refund(staff, wallet)
    assert response.redirect_chain == [(page, 302)]
    assert f"2.0000 credits were refunded to {wallet.account}." in text(response)
    assert refunded(wallet) == [(2, staff.user, "cut short")]
    assert (now(wallet)[0], wallet.usage.get().refunded_credits) == (9, 2)
    event = Event.objects.get(kind="credits.refunded", account=wallet.account)
    reference = wallet.ledger.get(kind="refund").reference
    assert (event.actor, event.data) == (staff.user, {"credits": "2.0000", "reference": reference, "reason": "cut short"})

    too_much = refund(staff, wallet, credits="1.0001", reason="all of it")
    assert "At most the 1.0000 credits that are left of the charge." in text(too_much)
    assert refunded(wallet) == [(2, staff.user, "cut short")]
    assert "1.0000 credits were refunded" in text(refund(staff, wallet, credits="1", reason="all of it"))
    for nothing_left in (refund(staff, wallet), staff.get(refund_page(f"chatcmpl_{wallet.pk}"), follow=True)):
        assert "Nothing is left to refund" in text(nothing_left)
    assert (now(wallet)[0], wallet.usage.get().refunded_credits) == (10, 3)
    assert [difference for difference in audit() if difference.wallet_id == wallet.pk] == []


def test_a_refund_sent_twice_is_one_entry(staff, wallet):
    once = str(uuid.uuid4())
    for credits in ("3", "3", "1"):
        assert "3.0000 credits were refunded" in text(refund(staff, wallet, submission=once, credits=credits))
    assert [amount for amount, *_ in refunded(wallet)] == [3]
    assert Event.objects.filter(kind="credits.refunded", account=wallet.account).count() == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"credits": "0"}, "greater than or equal to 0.0001"),
        ({"credits": "-1"}, "greater than or equal to 0.0001"),
        ({"credits": "0.00001"}, "4 decimal places"),
        ({"credits": "3.0001"}, "At most the 3.0000 credits that are left of the charge."),
        ({"credits": "NaN"}, "Enter a number"),
        ({"credits": ""}, "required"),
        ({"reason": " "}, "required"),
        ({"submission": "x"}, "can be given back"),
    ],
)
def test_what_can_not_be_refunded_is_said_on_the_form(staff, wallet, fields, says):
    response = refund(staff, wallet, **fields)
    assert response.redirect_chain == []
    assert says in text(response)
    assert refunded(wallet) == []


def test_only_those_who_may_move_credits_refund(wallet):
    path = refund_page(f"chatcmpl_{wallet.pk}")
    given = {"credits": "2", "reason": "x", "submission": str(uuid.uuid4())}
    for stranger in (browser(), signed_in(wallet.account.user)):
        for response in (stranger.get(path), stranger.post(path, given)):
            assert response.status_code == 302
            assert "/admin/login/" in response.headers["Location"]
    for permissions in (LOOK, ["wallets.add_ledgerentry"]):
        client = signed_in(StaffFactory(permissions=permissions))
        assert client.get(path).status_code == client.post(path, given).status_code == 403
    looking = signed_in(StaffFactory(permissions=LOOK)).get(
        reverse("admin:wallets_usagerecord_change", args=[admin_quote(f"chatcmpl_{wallet.pk}")])
    )
    assert path not in read(looking).links
    assert refunded(wallet) == []


def test_a_call_s_page_has_its_times_and_leads_to_its_entries(staff, wallet):
    record = wallet.usage.get()
    page = staff.get(reverse("admin:wallets_usagerecord_change", args=[admin_quote(record.pk)]))
    for name in ("created_at", "closed_at"):
        label, shown = name.replace("_", " ").capitalize(), date_format(getattr(record, name), "DATETIME_FORMAT")
        assert f"{label} {shown}" in text(page)
    refund(staff, wallet)
    link = f"{reverse('admin:wallets_usagerecord_changelist')}{admin_quote(record.pk)}/ledger/"
    assert link in read(page).links
    entries = staff.get(link, follow=True).context["cl"].result_list
    assert [(entry.wallet, entry.kind) for entry in entries] == [(wallet, "refund"), (wallet, "charge")]
    looking = signed_in(StaffFactory(permissions=["wallets.view_usagerecord"]))
    assert link not in read(looking.get(page.request["PATH_INFO"])).links
    assert looking.get(link).status_code == 403


def test_what_was_not_charged_can_not_be_refunded(staff, wallet):
    held = hold(wallet, 1)
    holds.place([held])
    assert staff.get(refund_page(held.usage_id)).status_code == 403
    page = staff.get(reverse("admin:wallets_usagerecord_change", args=[admin_quote(held.usage_id)]))
    assert refund_page(held.usage_id) not in read(page).links
    for nobody in ("x", "0", "%00", "chatcmpl_5Fx"):
        for page in ("refund", "change"):
            assert staff.get(f"{reverse('admin:wallets_usagerecord_changelist')}{nobody}/{page}/").status_code == 404
