"""POST /v1/tasks/{task_id}/cancel over HTTP, in each state, again and again, and in a race."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from django.db import connection, transaction
from django.utils import timezone

from contract.ids import new_id
from contract.limits import TASK_CANCELS_A_DAY
from tasks_app import canceling, ending
from tasks_app.answers import TaskEnvelope
from tasks_app.models import Task
from tests import patient
from tests.answers import assert_shape
from tests.chat.test_bad_input import assert_refused
from tests.contract.wire import error_of, eventually
from tests.customer import Customer
from tests.factories import ApiKeyFactory
from tests.tasks_app.states import canceled, failed, queued, running, stored, succeeded
from wallets.audit import audit
from wallets.models import LedgerEntry, UsageRecord, Wallet


def cancel(owner: Customer, task: Task, **fields) -> httpx.Response:
    return owner.http.post(f"/tasks/{task.pk}/cancel", **fields)


def books(task: Task) -> list[str]:
    return list(LedgerEntry.objects.filter(usage_record=task.pk).order_by("seq").values_list("kind", flat=True))


def is_clean(wallet: Wallet) -> bool:
    return [one for one in audit() if one.wallet_id == wallet.pk] == []


def test_a_queued_task_is_canceled_and_refunded_at_once(customer):
    owner = customer()
    task = queued(owner.wallet)
    answer = cancel(owner, task, json={"reason": "The customer has left."})
    told = answer.json()
    assert answer.status_code == 200
    assert_shape(told, TaskEnvelope)
    assert (told["status"], told["billing"]["refunded_credits"], told["cancel_requested_at"]) == ("canceled", "50.0000", None)
    assert told == owner.http.get(f"/tasks/{task.pk}").json()
    task.refresh_from_db()
    assert (task.cancel_reason, owner.wallet.balance, books(task)) == ("The customer has left.", 1000, ["charge", "refund"])
    record = UsageRecord.objects.get(pk=task.pk)
    assert (record.outcome, record.clause) == ("canceled", "not_sent")
    assert is_clean(owner.wallet)


def test_a_running_task_ends_canceled_whatever_is_delivered(customer):
    owner = customer()
    task = running(owner.wallet)
    answer = cancel(owner, task)
    told = answer.json()
    assert answer.status_code == 202
    assert_shape(told, TaskEnvelope)
    assert (told["status"], told["billing"]["refunded_credits"]) == ("running", "0.0000")
    assert told["cancel_requested_at"] is not None
    ending.succeed(task.pk, run=1, clips=[{"title": "", "lyrics": "", "tags": "", "artifact_id": stored(task).pk}])
    told = owner.http.get(f"/tasks/{task.pk}").json()
    assert (told["status"], told["output"], told["billing"]["refunded_credits"]) == ("canceled", None, "50.0000")
    assert (owner.wallet.balance, books(task)) == (1000, ["charge", "refund"])


def test_asked_again_of_a_running_task_nothing_changes(customer):
    owner = customer()
    task = running(owner.wallet)
    first, second = cancel(owner, task, json={"reason": "first"}), cancel(owner, task, json={"reason": "second"})
    assert (first.status_code, second.status_code, first.json()) == (202, 202, second.json())
    task.refresh_from_db()
    assert task.cancel_reason == "first"


def test_the_claim_of_a_living_worker_is_left_to_it(customer):
    owner = customer()
    task = running(owner.wallet)
    cancel(owner, task)
    after = Task.objects.get(pk=task.pk)
    assert (after.run, after.next_run_at) == (task.run, task.next_run_at)


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_a_task_that_has_ended_is_not_canceled(customer, status):
    owner = customer()
    makers = {"succeeded": lambda wallet: succeeded(stored(running(wallet))), "failed": failed, "canceled": canceled}
    task = makers[status](owner.wallet)
    before, balance = Task.objects.filter(pk=task.pk).values().get(), owner.wallet.balance
    error = assert_refused(cancel(owner, task), 409, "task_already_terminal")
    assert error["details"] == {"status": status}
    assert (Task.objects.filter(pk=task.pk).values().get(), owner.wallet.balance) == (before, balance)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"json": {}},
        {"json": {"reason": None}},
        {"json": {"reason": ""}},
        {"json": {"reason": "x" * 500}},
        {"content": b""},
        {"content": b"", "headers": {"Content-Type": "application/json"}},
        {"content": b"", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    ],
    ids=lambda sent: str(sent)[:40],
)
def test_the_reason_may_be_left_out(customer, sent):
    owner = customer()
    assert cancel(owner, queued(owner.wallet), **sent).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status", "param"),
    [
        ({"json": {"reason": 7}}, 400, "/reason"),
        ({"json": {"reason": "x" * 501}}, 400, "/reason"),
        ({"json": {"why": "x"}}, 400, "/why"),
        ({"json": ["x"]}, 400, ""),
        ({"content": b'{"reason": "a\\u0000b"}', "headers": {"Content-Type": "application/json"}}, 400, "/reason"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, None),
        ({"content": b"reason=x", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415, None),
        ({"headers": {"Idempotency-Key": "a b"}}, 400, None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_body_cancels_nothing(customer, sent, status, param):
    owner = customer()
    task = queued(owner.wallet)
    answer = cancel(owner, task, **sent)
    assert (answer.status_code, error_of(answer).get("param")) == (status, param)
    if status == 415:
        assert error_of(answer)["message"] == "The body must be JSON, sent with 'Content-Type: application/json'."
    task.refresh_from_db()
    assert task.status == "queued"


def test_an_idempotency_key_gets_the_first_answer_again(customer):
    owner = customer()
    task, other = queued(owner.wallet), queued(owner.wallet)
    key = {"Idempotency-Key": "cancel-4711"}
    first, again = cancel(owner, task, headers=key), cancel(owner, task, json={}, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert_refused(cancel(owner, task, json={"reason": "another body"}, headers=key), 409, "idempotency_conflict")
    assert_refused(cancel(owner, task), 409, "task_already_terminal")
    # the path is another one
    assert cancel(owner, other, headers=key).json()["task_id"] == other.pk
    assert owner.wallet.balance == 1000


def test_a_refused_cancel_keeps_no_idempotency_key(customer):
    owner = customer()
    task, key = failed(owner.wallet), {"Idempotency-Key": "cancel-4712"}
    for _ in range(2):
        assert_refused(cancel(owner, task, headers=key), 409, "task_already_terminal")


class TestCancelsOfADay:
    def test_beyond_them_a_running_task_goes_on(self, customer):
        owner = customer()
        ApiKeyFactory(account=owner.account)
        for _ in range(TASK_CANCELS_A_DAY):
            assert cancel(owner, running(owner.wallet)).status_code == 202
        task = running(owner.wallet)
        error = assert_refused(cancel(owner, task), 403, "forbidden")
        assert error["details"] == {"limit": "task_cancels"}
        task.refresh_from_db()
        assert (task.status, task.cancel_requested_at, task.cancel_reason) == ("running", None, "")
        # what costs us nothing is not counted, nor is what was asked for before
        assert cancel(owner, queued(owner.wallet)).status_code == 200
        asked = Task.objects.filter(account=owner.account, cancel_requested_at__isnull=False)
        assert cancel(owner, asked.first()).status_code == 202
        # a day later
        asked.filter(pk=asked.first().pk).update(cancel_requested_at=timezone.now() - timedelta(hours=24))
        assert cancel(owner, task).status_code == 202

    def test_those_of_others_are_not_counted(self, customer):
        owner, other = customer(), customer()
        for _ in range(TASK_CANCELS_A_DAY):
            running(other.wallet, cancel_requested_at=timezone.now())
        assert cancel(owner, running(owner.wallet)).status_code == 202

    def test_at_once_there_are_no_more_of_them(self, customer):
        owner = customer()
        for _ in range(TASK_CANCELS_A_DAY - 2):
            running(owner.wallet, cancel_requested_at=timezone.now())
        tasks = [running(owner.wallet) for _ in range(5)]
        with ThreadPoolExecutor(5) as threads:
            answers = list(threads.map(lambda task: patient.post(f"{owner.v1}/tasks/{task.pk}/cancel", headers=owner.headers), tasks))
        assert sorted(answer.status_code for answer in answers) == [202, 202, 403, 403, 403]


def test_of_racing_cancels_of_a_queued_task_one_refunds(customer):
    owner = customer()
    task = queued(owner.wallet)
    with ThreadPoolExecutor(5) as threads:
        url = f"{owner.v1}/tasks/{task.pk}/cancel"
        answers = list(threads.map(lambda _: httpx.post(url, headers=owner.headers, timeout=60), range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert (owner.wallet.balance, books(task)) == (1000, ["charge", "refund"])
    assert is_clean(owner.wallet)


def test_a_cancel_waits_for_the_first_step_and_sees_what_it_did(committed):
    """The step has locked the task when the cancel comes: it finds a running task then."""
    task = queued()
    now = timezone.now()

    def come() -> Task:
        try:
            return canceling.cancel(task.pk, account_id=task.account_id)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic():
            Task.objects.filter(pk=task.pk).update(status="running", started_at=now, deadline_at=now + timedelta(minutes=15), run=1)
            coming = thread.submit(come)
            assert eventually(somebody_waits_for_us)
        seen = coming.result(timeout=60)
    assert (seen.status, seen.cancel_requested_at is not None, books(task)) == ("running", True, ["charge"])


def somebody_waits_for_us() -> bool:
    """Whether another connection waits for a row that ours has locked."""
    with connection.cursor() as cursor:
        cursor.execute("select exists(select from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid)))")
        return bool(cursor.fetchone()[0])


def test_of_cancel_and_end_at_once_one_moves_the_money(committed):
    for _ in range(6):
        task = running()

        def at_once(how, task=task):
            try:
                return how()
            except Exception as error:
                return error
            finally:
                connection.close()

        ways = [
            lambda task=task: canceling.cancel(task.pk, account_id=task.account_id),
            lambda task=task: succeeded(stored(task)),
        ]
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(at_once, ways))
        task.refresh_from_db()
        expected = {"succeeded": ["charge"], "canceled": ["charge", "refund"]}
        assert books(task) == expected[task.status]
        assert is_clean(Wallet.objects.get(account=task.account_id))


class TestWhoAsks:
    def test_any_key_of_the_account(self, customer):
        owner = customer()
        task, other = queued(owner.wallet, key_id=owner.key.pk), ApiKeyFactory(account=owner.account)
        assert cancel(owner, task, headers={"Authorization": f"Bearer {other.token}"}).status_code == 200

    def test_a_stranger_can_not_tell_it_from_none(self, customer):
        owner, stranger = customer(), customer()
        task = queued(owner.wallet)
        theirs = assert_refused(cancel(stranger, task), 404, "not_found")
        none = assert_refused(stranger.http.post(f"/tasks/{new_id('tsk')}/cancel"), 404, "not_found")
        assert {**theirs, "request_id": ""} == {**none, "request_id": ""}
        task.refresh_from_db()
        assert task.status == "queued"

    def test_nobody(self, customer):
        owner = customer()
        task = queued(owner.wallet)
        assert error_of(patient.post(f"{owner.v1}/tasks/{task.pk}/cancel"))["code"] == "unauthorized"

    def test_a_key_that_may_only_look_does_not_cancel(self, customer):
        owner = customer()
        task, reader = queued(owner.wallet), ApiKeyFactory(account=owner.account, scopes=["read"])
        headers = {"Authorization": f"Bearer {reader.token}"}
        assert owner.http.get(f"/tasks/{task.pk}", headers=headers).status_code == 200
        assert_refused(cancel(owner, task, headers=headers), 403, "forbidden")
