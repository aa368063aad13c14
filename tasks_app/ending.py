"""The one door through which a task ends: succeeded, failed or canceled, once, with its money in the same transaction.

    first_of(succeed, fail, cancel)    whoever locks the task first and finds it running wins, all others change nothing
    cancel_requested_at is set         it ends canceled, whoever comes and whatever the provider has delivered
    not succeeded                      the whole price goes back: `refund:<task id>`

What is not needed any more, clips that nobody will get among it, is removed by tasks_app/uploads/retention.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from django.db import connection, transaction

from tasks_app.models import Stage, Task, TaskStatus
from wallets import prepaid, refunds
from wallets.models import UsageClause, Wallet


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task failed, as its customer reads it: a code of contract/errors.py and words of ours, never an upstream's."""

    code: str
    message: str
    retryable: bool
    param: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            "param": self.param,
            "details": dict(self.details) or None,
        }


def succeed(task_id: str, *, run: int, clips: Sequence[Mapping[str, Any]], cost_usd: Decimal = Decimal(0)) -> TaskStatus | None:
    """The task has its `clips` (Task.clips). How it ended, which is canceled where that was asked for, or None: another one ended it, or
    has claimed it since `run`. `cost_usd` is what the provider takes for it."""
    return _end(task_id, TaskStatus.SUCCEEDED, run=run, clips=clips, cost_usd=cost_usd)


def fail(
    task_id: str,
    failure: Failure,
    *,
    run: int | None = None,
    attempts: Sequence[Mapping[str, Any]] | None = None,
    cost_usd: Decimal = Decimal(0),
) -> TaskStatus | None:
    """The task failed and is refunded. As `succeed`; without a `run` whoever has claimed it is overruled, as by a deadline. `attempts` are
    the tries (Task.attempts) with what failed it, if they are not written yet."""
    return _end(task_id, TaskStatus.FAILED, run=run, failure=failure, attempts=attempts, cost_usd=cost_usd)


def cancel(task_id: str, *, run: int | None = None, cost_usd: Decimal = Decimal(0)) -> TaskStatus | None:
    """The task is canceled and refunded. As `fail`."""
    return _end(task_id, TaskStatus.CANCELED, run=run, cost_usd=cost_usd)


@transaction.atomic
def _end(
    task_id: str,
    status: TaskStatus,
    *,
    run: int | None,
    clips: Sequence[Mapping[str, Any]] = (),
    failure: Failure | None = None,
    attempts: Sequence[Mapping[str, Any]] | None = None,
    cost_usd: Decimal = Decimal(0),
) -> TaskStatus | None:
    wallet_id = Task.objects.values_list("usage__wallet_id", flat=True).get(pk=task_id)
    Wallet.objects.lock(wallet_id)
    task = Task.objects.select_for_update(no_key=True).get(pk=task_id)
    if task.is_final or (run is not None and task.run != run):
        return None
    if task.cancel_requested_at is not None:
        status = TaskStatus.CANCELED
    task.status = status
    task.stage = Stage.DONE
    task.percent = 100 if status == TaskStatus.SUCCEEDED else task.percent
    task.message = ""
    task.clips = list(clips) if status == TaskStatus.SUCCEEDED else []
    task.error = failure.as_json if failure is not None and status == TaskStatus.FAILED else None
    task.completed_at = ended_at = _now()
    task.next_run_at = None
    task.made = []
    task.attempts = task.attempts if attempts is None else list(attempts)
    task.save(update_fields=["status", "stage", "percent", "message", "clips", "error", "completed_at", "next_run_at", "made", "attempts"])

    is_paid = status == TaskStatus.SUCCEEDED
    prepaid.conclude(
        task.usage_id,
        clause=_clause(task),
        outcome=status,
        error_code=(task.error or {}).get("code", ""),
        route=task.route.name if task.route else "",
        attempts=task.attempts,
        cost_usd=cost_usd if is_paid else Decimal(0),
        absorbed_cost_usd=Decimal(0) if is_paid else cost_usd,
        latency_ms=round((ended_at - task.created_at).total_seconds() * 1000),
    )
    if not is_paid:
        left = refunds.left(task.usage)
        if left:
            refunds.refund(task.usage, credits=left, reference=f"refund:{task.pk}", reason=f"task {status}")
    return status


def _now() -> datetime:
    """The database's clock, as of started_at and deadline_at."""
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        (now,) = cursor.fetchone()
    return cast(datetime, now)


def _clause(task: Task) -> str:
    if task.status == TaskStatus.SUCCEEDED:
        return UsageClause.COMPLETE
    if not any(attempt.get("sent") for attempt in task.attempts):
        return UsageClause.NOT_SENT
    return UsageClause.UPSTREAM_FAILED if task.status == TaskStatus.FAILED else ""
