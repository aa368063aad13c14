"""GET /v1/tasks over HTTP: the account's tasks page by page, filtered, and every bad parameter named."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest
from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from contract import pagination
from contract.answers import time_text
from tasks_app.answers import TaskList
from tasks_app.envelope import EXPANDABLE
from tasks_app.listing import ORDERS, Listing
from tasks_app.models import Task
from tests import patient
from tests.answers import assert_shape
from tests.contract.wire import error_of
from tests.factories import WalletFactory
from tests.tasks_app.states import canceled, failed, queued, running


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    assert_shape(answer.json(), TaskList)
    return [task["task_id"] for task in answer.json()["data"]]


def test_an_account_without_tasks_has_an_empty_list(customer):
    assert customer().http.get("/tasks").json() == {"object": "list", "data": [], "next_cursor": None, "has_more": False}


def test_the_newest_come_first_and_without_what_is_not_asked_for(customer):
    owner, other = customer(), customer()
    tasks = [queued(owner.wallet), running(owner.wallet), canceled(owner.wallet)]
    queued(other.wallet)
    answer = owner.http.get("/tasks")
    assert ids(answer) == [task.pk for task in reversed(tasks)]
    assert not {*EXPANDABLE} & {name for line in answer.json()["data"] for name in line}
    assert ids(owner.http.get("/tasks?order=asc")) == [task.pk for task in tasks]


@pytest.mark.parametrize(
    ("expand", "names"),
    [("input", {"input"}), ("usage,billing", {"usage", "billing"}), ("output, input", {"input", "output"}), ("all", {*EXPANDABLE})],
)
def test_it_can_show_more(customer, expand, names):
    owner = customer()
    task = failed(owner.wallet)
    answer = owner.http.get("/tasks", params={"expand": expand})
    assert ids(answer) == [task.pk]
    (line,) = answer.json()["data"]
    whole = owner.http.get(f"/tasks/{task.pk}").json()
    assert line == {name: value for name, value in whole.items() if name in names or name not in EXPANDABLE}


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_its_pages_are_the_whole_list_also_of_one_moment(customer, order):
    owner = customer()
    tasks = [queued(owner.wallet).pk for _ in range(5)]
    Task.objects.filter(pk__in=tasks).update(created_at=timezone.now())
    found, cursor, pages = [], "", 0
    while cursor is not None:
        answer = owner.http.get("/tasks", params={"limit": 2, "order": order, "cursor": cursor})
        found, cursor, pages = found + ids(answer), answer.json()["next_cursor"], pages + 1
        assert answer.json()["has_more"] == (cursor is not None)
    assert (found, pages) == (sorted(tasks, reverse=order == "desc"), 3)


def test_its_filters(customer):
    owner = customer()
    old, waiting, ended = queued(owner.wallet, capability="reference_audio_to_music"), queued(owner.wallet), failed(owner.wallet)
    now = timezone.now()
    for task, hours in ((old, 3), (waiting, 2), (ended, 1)):
        Task.objects.filter(pk=task.pk).update(created_at=now - timedelta(hours=hours))

    def found(**params: str) -> list[str]:
        return ids(owner.http.get("/tasks", params=params))

    assert found(status="queued") == [waiting.pk, old.pk]
    assert found(status="succeeded") == []
    assert found(capability="reference_audio_to_music") == [old.pk]
    assert found(status="queued", capability="text_to_music") == [waiting.pk]
    moment = now - timedelta(hours=2)
    assert found(created_after=time_text(moment)) == [ended.pk]
    assert found(created_before=time_text(moment)) == [old.pk]
    assert found(created_after=time_text(moment - timedelta(microseconds=1)), created_before=time_text(now)) == [ended.pk, waiting.pk]
    assert found(created_after=moment.isoformat()) == [ended.pk]  # +00:00


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("status=done", "status"),
        ("status=QUEUED", "status"),
        ("status=queued&status=queued", "status"),
        ("capability=chat", "capability"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-01-31", "created_after"),
        ("created_after=2026-01-31T12:00:00", "created_after"),
        ("created_after=2026-01-31T12:00:00+00:00", "created_after"),  # + is a space
        ("created_after=20260131T120000Z", "created_after"),
        ("created_after=2026-02-31T12:00:00Z", "created_after"),
        ("created_after=0001-01-01T00:00:00%2B14:00", "created_after"),
        ("created_before=1767225600", "created_before"),
        ("created_before=9999-12-31T23:59:59-14:00", "created_before"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.0", "limit"),
        ("limit=10&limit=20", "limit"),
        ("order=up", "order"),
        ("expand=everything", "expand"),
        ("expand=input,made", "expand"),
        ("expand=input,,usage", "expand"),
        ("expand=input&expand=usage", "expand"),
        ("cursor=abc", "cursor"),
        ("cursor=abc.def", "cursor"),
        ("cursor=%F0%9F%8E%B5", "cursor"),
    ],
)
def test_a_bad_parameter_is_named(customer, query, param):
    answer = customer().http.get(f"/tasks?{query}")
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_request", param)


@pytest.mark.parametrize("query", ["limit=1", "limit=100", "status=&limit=&cursor=&expand=&order=&created_after=", "unknown=1&a=b"])
def test_the_edges_the_empty_and_the_unknown_are_taken(customer, query):
    owner = customer()
    task = queued(owner.wallet)
    assert ids(owner.http.get(f"/tasks?{query}")) == [task.pk]


class TestCursors:
    def pages(self, owner, tasks: int = 3) -> str:
        for _ in range(tasks):
            queued(owner.wallet)
        cursor: str = owner.http.get("/tasks?limit=1").json()["next_cursor"]
        return cursor

    def test_a_forged_one_is_refused(self, customer):
        owner = customer()
        cursor = self.pages(owner)
        for forged in (cursor[:-1], cursor + "A", cursor.swapcase(), cursor.split(".")[0] + "."):
            assert error_of(owner.http.get("/tasks", params={"cursor": forged}))["param"] == "cursor"

    def test_that_of_another_order_is_refused(self, customer):
        owner = customer()
        answer = owner.http.get("/tasks", params={"cursor": self.pages(owner), "order": "asc"})
        assert (answer.status_code, error_of(answer)["param"]) == (400, "cursor")

    def test_under_another_filter_it_goes_on_from_the_same_moment(self, customer):
        owner = customer()
        cursor = self.pages(owner)
        assert len(ids(owner.http.get("/tasks", params={"cursor": cursor, "status": "queued"}))) == 2
        assert ids(owner.http.get("/tasks", params={"cursor": cursor, "status": "failed"})) == []

    def test_that_of_another_account_shows_ones_own_tasks_alone(self, customer):
        owner, stranger = customer(), customer()
        task = queued(stranger.wallet)
        assert ids(stranger.http.get("/tasks", params={"cursor": self.pages(owner)})) == [task.pk]


def test_nobody_and_a_key_for_chat_see_no_list(customer):
    owner = customer()
    assert error_of(patient.get(f"{owner.v1}/tasks"))["code"] == "unauthorized"


@pytest.mark.django_db
class TestIndexes:
    TASKS = 3000

    @pytest.fixture
    def wallet(self):
        """One of two accounts with many tasks, of which three are rare."""
        wallet, other = WalletFactory(balance=100), WalletFactory(balance=100)
        with connection.cursor() as cursor:
            for owner in (wallet, other):
                values = {"wallet": owner.pk, "account": owner.account_id, "tasks": self.TASKS}
                cursor.execute(
                    """
                    insert into wallets_usagerecord
                           (id, wallet_id, capability, status, clause, hold_credits, credits_per_usd_rate, credits_usd_reference,
                            price_version, task_id, created_at, closed_at)
                    select 'tsk_' || %(wallet)s || '_' || n, %(wallet)s, 'text_to_music', 'charged', '', 1, 1, 0, 1,
                           'tsk_' || %(wallet)s || '_' || n, now() - n * interval '1 minute', now()
                      from generate_series(1, %(tasks)s) n""",
                    values,
                )
                cursor.execute(
                    """
                    insert into tasks_app_task
                           (id, account_id, usage_id, capability, model_asked, model, input, metadata, status, stage, percent, message,
                            warnings, error, clips, run, next_run_at, attempts, provider_task_id, made, created_at, completed_at,
                            cancel_reason)
                    select 'tsk_' || %(wallet)s || '_' || n, %(account)s, 'tsk_' || %(wallet)s || '_' || n,
                           case when n > %(tasks)s - 3 then 'reference_audio_to_music' else 'text_to_music' end,
                           'auto', 'suno-5.5', '{}', '{}',
                           case when n > %(tasks)s - 3 then 'failed' else 'canceled' end, 'done', 0, '', '[]',
                           case when n > %(tasks)s - 3 then '{}'::jsonb end, '[]', 0, null, '[]', '', '[]',
                           now() - n * interval '1 minute', now(), ''
                      from generate_series(1, %(tasks)s) n""",
                    values,
                )
            cursor.execute("analyze wallets_usagerecord, tasks_app_task")
        return wallet

    @pytest.mark.parametrize("order", ORDERS)
    @pytest.mark.parametrize(
        ("query", "most"),
        [
            ("", 21),
            ("status=failed", 3),
            ("status=running", 0),
            ("capability=reference_audio_to_music", 3),
            ("status=failed&capability=reference_audio_to_music", 3),
            ("created_after=2020-01-01T00:00:00Z", 21),
            ("created_before=2020-01-01T00:00:00Z", 0),
            ("status=canceled&created_before=2020-01-01T00:00:00Z", 0),
            ("expand=all", 21),
        ],
    )
    def test_a_filter_reads_what_it_shows(self, wallet, query, most, order, monkeypatch):
        plans = []
        explain_page(monkeypatch, plans)
        Listing.read(QueryDict(f"{query}&order={order}")).page(wallet.account_id)
        (plan,) = plans
        looked_at, ways = rows_read(json.loads(plan)[0]["Plan"], table="tasks_app_task")
        assert looked_at == most, ways
        assert not any("Seq Scan" in way or "Sort" in way for way in ways), ways


def explain_page(monkeypatch: pytest.MonkeyPatch, plans: list[str]) -> None:
    """The plan of each page that is read goes to `plans`."""
    page = pagination.page

    def explained(queryset, *, cursor, limit, ordering):
        plans.append(queryset.order_by(*ordering)[: limit + 1].explain(format="json", analyze=True))
        return page(queryset, cursor=cursor, limit=limit, ordering=ordering)

    monkeypatch.setattr(pagination, "page", explained)


def rows_read(node: dict, *, table: str) -> tuple[int, list[str]]:
    """How many rows of the table are looked at, and the way it goes."""
    ways = [f"{node['Node Type']} {node.get('Index Name', '')}".strip()]
    is_of_table = node.get("Relation Name") == table
    looked_at = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] if is_of_table else 0
    for below in node.get("Plans", ()):
        rows, further = rows_read(below, table=table)
        looked_at, ways = looked_at + rows, ways + further
    return looked_at, ways
