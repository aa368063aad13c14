"""The admin's front page: the last audit and what staff must look at, to those who may view it."""

from __future__ import annotations

import datetime as dt
import html
import re
from decimal import Decimal

import pytest
from django.contrib.admin.utils import quote
from django.db.models import F
from django.urls import reverse

from beatra_site.backoffice import front_page
from tests.browsing import browser, read, signed_in, text
from tests.factories import StaffFactory, WalletFactory
from tests.wallets.calls import charge, giving_back, hold
from tests.wallets.quiet_books import quiet_books
from wallets import holds, sweeper
from wallets.models import AuditRun, UsageRecord

pytestmark = pytest.mark.django_db

ALL = ["wallets.view_usagerecord", "wallets.view_wallet", "wallets.view_auditrun"]


@pytest.fixture(autouse=True)
def _books_without_matters():
    quiet_books()


def front(*permissions: str):
    """The front page of one of the staff, by default of one who may view all that stands on it."""
    client = signed_in(StaffFactory(permissions=permissions or ALL))
    response = client.get(reverse("admin:index"))
    assert response.status_code == 200
    return client, response


def call(wallet, *, charged=None, **fields) -> str:
    held = hold(wallet, 1, route="a-route")
    holds.place([held])
    if charged is None:
        holds.release([giving_back(held, **fields)])
    else:
        holds.settle([charge(held, charged, **fields)])
    return held.usage_id


@pytest.fixture
def matters():
    """One of each kind, and an audit that found differences."""
    AuditRun.objects.create(wallets=14, entries=2800, usage_records=1, differences=2)
    below, dear, stuck = WalletFactory(balance=1), WalletFactory(balance=1), WalletFactory(balance=5)
    ids = {
        "flagged": call(dear, charged=0, alert="an odd one", estimated=True),
        "absorbed": call(dear, absorbed_cost_usd=Decimal(9_000_000)),
        "below": call(below, charged=999_999),
    }
    held, due = hold(stuck, 2), hold(stuck, 2)
    holds.place([held, due])
    UsageRecord.objects.filter(pk=held.usage_id).update(created_at=F("created_at") - dt.timedelta(days=9000))
    the_sweepers = dt.timedelta(seconds=sweeper.longest_seconds() + 10)
    UsageRecord.objects.filter(pk=due.usage_id).update(created_at=F("created_at") - the_sweepers)
    return {**ids, "stuck": held.usage_id, "wallet": below, "dear": dear}


def listed(client, link: str) -> list[str]:
    response = client.get(link)
    assert response.status_code == 200, link
    return [row.pk for row in response.context["cl"].result_list]


def test_every_matter_leads_to_what_it_is_about(matters):
    client, response = front()
    links = [link for link in read(response).links if "?" in link]
    (flagged,) = [link for link in links if "an+odd+one" in link]
    assert listed(client, flagged) == [matters["flagged"]]
    (dear,) = [link for link in links if f"wallet__id__exact={matters['dear'].pk}" in link]
    assert listed(client, dear) == [matters["absorbed"]]
    (below,) = [link for link in links if "balance__lt" in link]
    assert matters["wallet"].pk in listed(client, below)
    (stuck,) = [link for link in links if "status__exact=open" in link]
    assert listed(client, stuck) == [matters["stuck"]]
    (all_flagged,) = [link for link in links if "alert__isempty=0" in link]
    assert matters["flagged"] in listed(client, all_flagged)
    for page in (
        reverse("admin:wallets_usagerecord_change", args=[quote(matters["stuck"])]),
        reverse("admin:wallets_wallet_change", args=[matters["wallet"].pk]),
    ):
        assert page in read(response).links
        assert client.get(page).status_code == 200


def test_it_names_accounts_amounts_and_counts(matters):
    _, response = front()
    page = text(response)
    for said in (
        "2 differences in the books",
        "14 wallets, 2,800 entries, 1 usage record.",
        "an odd one a-route 1",
        f"{matters['dear'].account.user.email} 9,000,000.0000 1",
        f"{matters['wallet'].account.user.email} -999,998.0000 0.0000",
        f"{matters['stuck']} ",
    ):
        assert said in page, said
    assert "Nothing to look at." not in page


def test_what_one_may_not_view_is_not_there(matters):
    kinds = {
        "wallets.view_auditrun": "differences in the books",
        "wallets.view_usagerecord": "an odd one",
        "wallets.view_wallet": "Wallets below zero",
    }
    for permission in kinds:
        _, response = front(permission)
        page = text(response)
        assert [said for said in kinds.values() if said in page] == [kinds[permission]]
    _, response = front("keys.view_apikey")
    page = text(response)
    assert not any(said in page for said in (*kinds.values(), "To look at", "Nothing to look at."))
    assert "API keys" in page


def test_only_staff_see_it(matters):
    for client in (browser(), signed_in(matters["wallet"].account.user)):
        response = client.get(reverse("admin:index"))
        assert response.status_code == 302
        assert "/admin/login/" in response.headers["Location"]


def test_where_there_is_nothing_it_says_so():
    _, response = front()
    assert "The books are right" in text(response)
    assert "Nothing to look at." in text(response)
    assert text(response).index("Nothing to look at.") < text(response).rindex("Usage records"), "above the list of tables"


@pytest.mark.parametrize(
    ("days_ago", "differences", "says", "tone"),
    [
        (0, 0, "The books are right", "bg-white"),
        (0, 1, "1 difference in the books", "bg-red-100"),
        (2, 0, "The books were not audited for a day", "bg-red-100"),
        (None, 0, "The books were never audited", "bg-orange-100"),
    ],
)
def test_how_the_last_audit_went(days_ago, differences, says, tone):
    AuditRun.objects.all().delete()
    if days_ago is not None:
        ended_at = dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)
        AuditRun.objects.create(wallets=1, entries=1, usage_records=0, differences=differences, ended_at=ended_at)
    _, response = front()
    (section,) = re.findall(r'<section aria-labelledby="audit" class="([^"]*)">.*?</section>', response.content.decode(), re.DOTALL)
    assert tone in section.split()
    assert says in html.unescape(text(response))


def test_the_first_of_many_are_shown_and_the_rest_is_counted():
    for _ in range(front_page.SHOWN + 2):
        call(WalletFactory(balance=1), charged=500_000)
    _, response = front("wallets.view_wallet")
    (matter,) = response.context["matters"]
    assert len(matter.table["rows"]) == front_page.SHOWN
    assert "All of them, 2 more" in text(response)


def test_the_runs_of_the_audit_are_only_looked_at():
    run = AuditRun.objects.create(wallets=1, entries=1, usage_records=0, differences=0)
    client = signed_in(StaffFactory(is_superuser=True))
    page = reverse("admin:wallets_auditrun_change", args=[run.pk])
    assert client.get(reverse("admin:wallets_auditrun_changelist")).status_code == client.get(page).status_code == 200
    assert client.post(page, {"differences": "0"}).status_code == 403
    for address in (reverse("admin:wallets_auditrun_add"), reverse("admin:wallets_auditrun_delete", args=[run.pk])):
        assert client.post(address).status_code == 403
