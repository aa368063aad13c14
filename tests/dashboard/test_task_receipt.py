"""The record of a task among the calls: its flat price, how it ended, and what was given back."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from beatra_site.dashboard.task_outcomes import BY_OUTCOME
from beatra_site.dashboard.usage_filters import UsageFilters
from tasks_app import by_staff, ending
from tasks_app.models import Task
from tests.browsing import browser, read, text
from tests.dashboard.test_usage_indexes import rows_read
from tests.factories import StaffFactory, WalletFactory
from tests.tasks_app.states import canceled, failed, queued, running, stored, succeeded
from wallets.models import UsageRecord

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet():
    return WalletFactory(balance="1000")


@pytest.fixture
def client(wallet):
    client = browser()
    client.force_login(wallet.account.user)
    return client


def receipt(client, task: Task) -> str:
    response = client.get(f"/usage/{task.pk}/")
    assert response.status_code == 200
    return text(response)


def test_a_task_that_succeeded_has_its_price(client, wallet):
    task = succeeded(stored(running(wallet)))
    UsageRecord.objects.filter(pk=task.pk).update(cost_usd=Decimal("0.15"), latency_ms=90_000)
    words = receipt(client, task)
    for part in (
        "Task succeeded Charged 50.0000 credits, about 0.0500 USD",
        "The task was done. Its price was charged when it was created.",
        "Model asked for auto Model chosen minimax-music-2.6",
        "after 90,000 ms",
        "Flat price of a task with minimax-music-2.6 (price version 1) 50.0000 Paid 50.0000 credits",
        "50.0000 ÷ 1,000 credits per USD, the rate at that time 0.0500 USD",
        f"Charge charge:{task.pk} −50.0000 950.0000",
    ):
        assert part in words, part
    for part in ("LiteLLM", "Tokens", "Hold and charge", "0.15", "Given back", "The call"):
        assert part not in words, part


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (failed, "Task failed Charged 50.0000 credits, about 0.0500 USD Refunded 50.0000 credits given back The provider failed"),
        (canceled, "Task canceled Charged 50.0000 credits, about 0.0500 USD Refunded 50.0000 credits given back You canceled the task."),
    ],
    ids=["failed", "canceled"],
)
def test_one_that_did_not_says_that_it_was_given_back(client, wallet, make, said):
    task = make(wallet)
    words = receipt(client, task)
    assert said in words
    assert "Its price was given back in full." in words
    assert "Given back − 50.0000 Paid 0.0000 credits" in words
    assert f"Refund refund:{task.pk} 50.0000 1,000.0000" in words
    assert "Nothing was charged" not in words
    assert "HTTP" not in words


def test_what_staff_canceled_is_not_said_to_be_the_customers_doing(client, wallet):
    mine, theirs = canceled(wallet), running(wallet)
    by_staff.cancel(theirs, actor=StaffFactory(), reason="It hung.")
    assert "We canceled the task. Its price was given back in full." in receipt(client, theirs)
    assert "It hung." not in receipt(client, theirs)
    assert "You canceled the task." in receipt(client, mine)


def test_one_that_runs_says_so(client, wallet):
    words = receipt(client, queued(wallet))
    assert "Task running Charged 50.0000" in words
    assert "unless it succeeds, it is given back" in words
    assert "Ended" not in words


@pytest.mark.parametrize(
    ("code", "sent", "label", "happened"),
    [
        ("safety_rejected", True, "Task refused", "the request has to change"),
        ("invalid_request", False, "Task refused", "the request has to change"),
        ("service_unavailable", False, "Task failed", "before a provider was asked"),
    ],
)
def test_it_says_why_a_task_failed(client, wallet, code, sent, label, happened):
    task = running(wallet, attempts=[{"model": "minimax-music-2.6", "route": "secret", "outcome": code, "sent": sent}])
    ending.fail(task.pk, ending.Failure(code, "No.", retryable=False))
    words = receipt(client, task)
    assert label in words
    assert happened in words
    assert "secret" not in words


def test_the_list_says_what_became_of_tasks(client, wallet):
    failed(wallet), canceled(wallet), queued(wallet), succeeded(stored(running(wallet)))
    words = text(client.get("/usage/"))
    for part in (
        "Task running Open the task 50.0000",
        "Task succeeded Open the task 50.0000",
        "Task canceled Open the task 50.0000 refunded 50.0000",
        "Task failed Open the task 50.0000 refunded 50.0000",
    ):
        assert part in words, part


def test_they_are_found_by_how_they_ended(client, wallet):
    asked_to = running(wallet, cancel_requested_at=timezone.now(), attempts=[{"route": "sandbox", "sent": True}])
    ending.cancel(asked_to.pk)
    assert UsageRecord.objects.get(pk=asked_to.pk).clause == ""
    tasks = {
        "task_running": {queued(wallet).pk, running(wallet).pk},
        "task_failed": {failed(wallet).pk},
        "task_canceled": {canceled(wallet).pk, asked_to.pk},
        "task_succeeded": {succeeded(stored(running(wallet))).pk},
    }
    assert set(tasks) == {f"task_{outcome or 'running'}" for outcome in BY_OUTCOME}
    for outcome, ids in tasks.items():
        links = read(client.get(f"/usage/?outcome={outcome}")).links
        assert {link.split("/")[2] for link in links if link.startswith("/usage/tsk_")} == ids, outcome


@pytest.mark.parametrize("outcome", BY_OUTCOME)
def test_an_index_finds_them(wallet, outcome):
    other = WalletFactory(balance="1000")
    with connection.cursor() as cursor:
        for owner in (wallet, other):
            cursor.execute(
                """
                insert into wallets_usagerecord (id, wallet_id, capability, status, clause, outcome, hold_credits, credits_per_usd_rate,
                                                 credits_usd_reference, price_version, task_id, created_at, closed_at)
                select 'u_' || %(wallet)s || '_' || n, %(wallet)s, 'chat', 'charged', 'complete',
                       case when n <= 3 then %(outcome)s when n %% 2 = 0 then 'answered' else 'other' end, 1, 1, 0, 1,
                       case when n <= 3 or n %% 2 = 1 then 't' else '' end, %(now)s - n * interval '1 minute', now()
                  from generate_series(1, 4000) n""",
                {"wallet": owner.pk, "outcome": outcome, "now": timezone.now() - timedelta(days=1)},
            )
        cursor.execute("analyze wallets_usagerecord")
    form = UsageFilters({"outcome": f"task_{outcome or 'running'}"}, account=wallet.account)
    assert form.is_valid(), form.errors
    looked_at, ways = rows_read(form.records())
    assert looked_at == 3, json.dumps(ways)
    assert not any("Seq Scan" in way for way in ways), ways
