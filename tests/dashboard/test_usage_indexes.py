"""Each filter of the usage page is answered from an index of its own: it reads what it shows, not what it leaves out."""

from __future__ import annotations

import json

import pytest
from django.db import connection

from beatra_site.dashboard.usage_filters import UsageFilters
from contract.pagination import page
from tests.factories import ApiKeyFactory, WalletFactory
from wallets.models import UsageRecord

pytestmark = pytest.mark.django_db
CALLS = 4000


@pytest.fixture
def key():
    """The key of three of an account's calls, its oldest; so are the calls of a rare model, of rare outcomes and of a request id."""
    key = ApiKeyFactory(name="rare")
    wallet, other = WalletFactory(account=key.account, balance="1"), WalletFactory(balance="1")
    with connection.cursor() as cursor:
        for owner in (wallet, other):
            cursor.execute(
                """
                insert into wallets_usagerecord
                       (id, wallet_id, capability, key_id, model, status, clause, estimated, hold_credits, credits_per_usd_rate,
                        credits_usd_reference, price_version, request_id, created_at, closed_at)
                select 'chatcmpl_' || %(wallet)s || '_' || n, %(wallet)s, 'chat', case when n <= 3 then %(key)s else -1 end,
                       case when n <= 3 then 'rare' else 'usual' end, 'charged', case when n <= 3 then 'stopped' else 'complete' end,
                       n <= 3, 1, 1, 0, 1, case when n <= 3 or %(wallet)s <> %(mine)s then 'mine' else 'req_' || n end,
                       now() - interval '90 days' + n * interval '1 minute', now()
                  from generate_series(1, %(calls)s) n""",
                {"wallet": owner.pk, "mine": wallet.pk, "key": key.pk if owner == wallet else -2, "calls": CALLS},
            )
        cursor.execute("analyze wallets_usagerecord")
    return key


def rows_read(records):
    """How many records the database looks at for a page of them, and the way it goes."""
    plans = json.loads(page_plan(records))
    looked_at, ways = 0, []

    def walk(node):
        nonlocal looked_at
        ways.append(f"{node['Node Type']} {node.get('Index Name', '')}".strip())
        looked_at += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] if "Relation Name" in node else 0
        for below in node.get("Plans", ()):
            walk(below)

    walk(plans[0]["Plan"])
    return looked_at, ways


def page_plan(records):
    return records.order_by("-created_at", "-id")[:51].explain(format="json", analyze=True)


@pytest.mark.parametrize(
    "filters",
    [
        {"key": "its own"},
        {"model": "rare"},
        {"outcome": "stopped"},
        {"outcome": "lost"},
        {"outcome": "running"},
        {"outcome": "estimated"},
        {"id": "mine"},
        {"id": "nobody's"},
        {"until": "2020-01-01"},
        {"key": "its own", "model": "rare", "outcome": "stopped", "id": "mine"},
    ],
    ids=str,
)
def test_it_reads_what_it_shows(key, filters):
    form = UsageFilters({**filters, **({"key": key.pk} if "key" in filters else {})}, account=key.account)
    assert form.is_valid(), form.errors
    shown = len(page(form.records(), limit=50).items)
    assert shown == (3 if form.records().exists() else 0)
    looked_at, ways = rows_read(form.records())
    assert looked_at == shown, ways
    assert not any("Seq Scan" in way for way in ways), ways


def test_the_choices_of_keys_and_models_are_read_from_indexes_step_by_step(key):
    assert UsageRecord.objects.models_of(key.account.wallet) == ["rare", "usual"]
    assert UsageRecord.objects.models_of(key.account.wallet, most=1) == ["rare"]
    assert UsageRecord.objects.keys_used([key.pk, -1, -3]) == {key.pk, -1}
