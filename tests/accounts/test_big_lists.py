"""Staff's lists of tables that grow without end: no page counts them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import events, look_only_admin
from tests.browsing import signed_in
from tests.factories import ApiKeyFactory, StaffFactory

pytestmark = pytest.mark.django_db

LISTS = [
    "accounts_user",
    "accounts_account",
    "accounts_event",
    "accounts_notice",
    "keys_apikey",
    "wallets_wallet",
    "wallets_ledgerentry",
    "wallets_usagerecord",
    "wallets_idempotencykey",
    "wallets_creditsperusdrate",
    "wallets_cap",
    "catalog_price",
]


@pytest.mark.parametrize("query", [{}, {"_facets": "True"}])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_does_not_count_its_table(name, query):
    ApiKeyFactory()
    staff = signed_in(StaffFactory(is_superuser=True))
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert staff.get(reverse(f"admin:{name}_changelist"), query).status_code == 200
    counts = [one["sql"] for one in asked.captured_queries if "COUNT(" in one["sql"]]
    assert counts
    assert all(f"LIMIT {look_only_admin.COUNTED}" in sql for sql in counts), counts


def test_what_is_further_back_is_found_by_searching(monkeypatch):
    monkeypatch.setattr(look_only_admin, "COUNTED", 2)
    for kind in ("test.oldest", "test.older", "test.newer", "test.newest"):
        events.record(kind, account=None, actor=None)
    staff = signed_in(StaffFactory(is_superuser=True))
    page = reverse("admin:accounts_event_changelist")
    assert staff.get(page).context["cl"].result_count == 2
    assert [event.kind for event in staff.get(page, {"q": "test.oldest"}).context["cl"].result_list] == ["test.oldest"]
