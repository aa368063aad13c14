"""A task ends once, and its money goes with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tasks_app import canceling, ending
from tasks_app.ending import Failure
from tasks_app.models import Task, TaskStatus
from tests.factories import WalletFactory
from tests.tasks_app.paid_task import PRICE, paid_task
from wallets.audit import audit
from wallets.models import LedgerEntry, UsageRecord, Wallet

CLIPS = [{"title": "Dawn", "lyrics": "", "tags": "piano", "artifact_id": "art_01JZ5Q3V8YB6K2N4P7R9T1V3X5"}]
OVERLOADED = Failure("model_unavailable", "The provider is overloaded.", retryable=True)


def running(task: Task, **fields) -> Task:
    now = timezone.now()
    Task.objects.filter(pk=task.pk).update(
        status="running", stage="generating", started_at=now, deadline_at=now + timedelta(minutes=15), run=1, **fields
    )
    task.refresh_from_db()
    return task


def books(task: Task) -> list[tuple[str, Decimal]]:
    return list(LedgerEntry.objects.filter(usage_record=task.pk).order_by("seq").values_list("kind", "amount"))


def balance(task: Task) -> Decimal:
    return Wallet.objects.get(account=task.account_id).balance


def is_clean(task: Task) -> bool:
    wallet = Wallet.objects.get(account=task.account_id)
    return [one for one in audit() if one.wallet_id == wallet.pk] == []


@pytest.mark.django_db
class TestEnding:
    def test_a_task_is_paid_when_it_is_created(self):
        task = paid_task()
        assert (books(task), balance(task)) == ([("charge", -PRICE)], 50)
        record = UsageRecord.objects.get(pk=task.pk)
        assert (record.status, record.charged_credits, record.credits_usd_reference) == ("charged", PRICE, Decimal("0.0500"))
        assert is_clean(task)

    def test_success_keeps_the_charge_and_completes_the_receipt(self):
        task = running(paid_task())
        assert ending.succeed(task.pk, run=1, clips=CLIPS, cost_usd=Decimal("0.15")) == "succeeded"
        task.refresh_from_db()
        assert (task.status, task.stage, task.percent, task.clips, task.next_run_at) == ("succeeded", "done", 100, CLIPS, None)
        assert (books(task), balance(task)) == ([("charge", -PRICE)], 50)
        record = UsageRecord.objects.get(pk=task.pk)
        assert (record.clause, record.outcome, record.cost_usd) == ("complete", "succeeded", Decimal("0.15"))
        assert is_clean(task)

    def test_failure_gives_all_of_it_back(self):
        task = running(paid_task(), attempts=[{"route": "sandbox", "sent": True}])
        assert ending.fail(task.pk, OVERLOADED, cost_usd=Decimal("0.15")) == "failed"
        task.refresh_from_db()
        assert task.error == {
            "code": "model_unavailable",
            "message": "The provider is overloaded.",
            "retryable": True,
            "param": None,
            "details": None,
        }
        assert (books(task), balance(task)) == ([("charge", -PRICE), ("refund", PRICE)], 100)
        record = UsageRecord.objects.get(pk=task.pk)
        assert (record.clause, record.error_code, record.absorbed_cost_usd) == ("upstream_failed", "model_unavailable", Decimal("0.15"))
        assert (record.cost_usd, record.refunded_credits) == (0, PRICE)
        assert is_clean(task)

    def test_what_was_refunded_before_is_not_refunded_again(self):
        from wallets.refunds import refund

        task = running(paid_task())
        refund(task.pk, credits=Decimal(20), reference=f"support:{task.pk}", reason="sorry")
        ending.fail(task.pk, OVERLOADED)
        assert (books(task)[1:], balance(task)) == ([("refund", 20), ("refund", 30)], 100)
        assert is_clean(task)

    def test_a_task_ends_once(self):
        task = running(paid_task())
        assert ending.fail(task.pk, OVERLOADED) == "failed"
        assert ending.succeed(task.pk, run=1, clips=CLIPS) is None
        assert ending.cancel(task.pk) is None
        assert ending.fail(task.pk, OVERLOADED) is None
        task.refresh_from_db()
        assert (task.status, len(books(task))) == ("failed", 2)

    def test_asked_to_cancel_it_ends_canceled_whatever_was_delivered(self):
        task = running(paid_task(), cancel_requested_at=timezone.now())
        assert ending.succeed(task.pk, run=1, clips=CLIPS, cost_usd=Decimal("0.15")) == "canceled"
        task.refresh_from_db()
        assert (task.clips, task.error, balance(task)) == ([], None, 100)
        record = UsageRecord.objects.get(pk=task.pk)
        assert (record.outcome, record.cost_usd, record.absorbed_cost_usd) == ("canceled", 0, Decimal("0.15"))
        assert is_clean(task)

    def test_whoever_lost_its_claim_ends_nothing(self):
        task = running(
            paid_task(),
        )
        Task.objects.filter(pk=task.pk).update(run=2)
        assert ending.succeed(task.pk, run=1, clips=CLIPS) is None
        assert ending.fail(task.pk, OVERLOADED, run=1) is None
        task.refresh_from_db()
        assert (task.status, books(task)) == ("running", [("charge", -PRICE)])

    def test_without_enough_credits_nothing_is_charged(self):
        wallet = WalletFactory(balance=10)
        with pytest.raises(AssertionError, match="insufficient"):
            paid_task(wallet)
        wallet.refresh_from_db()
        assert (wallet.balance, wallet.entries, UsageRecord.objects.filter(wallet=wallet).exists()) == (10, 1, False)

    @pytest.mark.parametrize(
        "values",
        [{"status": "failed", "completed_at": timezone.now(), "next_run_at": None}, {"next_run_at": None}, {"percent": 101}],
        ids=str,
    )
    def test_the_database_refuses_a_task_that_can_not_be(self, values):
        task = paid_task()
        with pytest.raises(IntegrityError), transaction.atomic():
            Task.objects.filter(pk=task.pk).update(**values)


def test_of_all_who_end_it_at_once_one_does(committed):
    for _ in range(8):
        task = running(paid_task())

        def end(how, task=task):
            try:
                return how()
            finally:
                connection.close()

        ways = [
            lambda task=task: ending.succeed(task.pk, run=1, clips=CLIPS),
            lambda task=task: ending.fail(task.pk, OVERLOADED),
            lambda task=task: ending.cancel(task.pk),
            lambda task=task: ending.succeed(task.pk, run=1, clips=CLIPS),
        ]
        with ThreadPoolExecutor(len(ways)) as threads:
            ended = [status for status in threads.map(end, ways) if status is not None]
        task.refresh_from_db()
        assert ended == [TaskStatus(task.status)]
        assert (balance(task), len(books(task))) == ((50, 1) if task.status == "succeeded" else (100, 2))
        assert is_clean(task)


@pytest.mark.django_db
def test_whoever_ends_it_goes_by_the_clock_of_the_database(monkeypatch):
    """As its start and its deadline do: that of a machine may be wrong."""
    first, second = running(paid_task()), running(paid_task())
    right = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: right - timedelta(days=2))
    ending.fail(first.pk, OVERLOADED)
    asked = canceling.cancel(second.pk, account_id=second.account_id)
    first.refresh_from_db()
    assert first.completed_at > right - timedelta(hours=1)
    assert asked.cancel_requested_at > right - timedelta(hours=1)
