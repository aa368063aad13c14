"""Tasks that have waited, or lasted, too long, and those to be canceled: ended by beat too, so that no worker of music is needed.

queued for TASK_QUEUED_SECONDS                  failed, retryable, refunded
running past `deadline_at`                      the same, whoever is at it
asked to be canceled while it runs              canceled, refunded, whoever is at it
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import OperationalError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from contract.errors import ERRORS
from tasks_app import ending
from tasks_app.ending import Failure
from tasks_app.engine.attempts import Attempts
from tasks_app.engine.costs import cost_usd
from tasks_app.models import Task, TaskStatus

logger = logging.getLogger(__name__)

BATCH: Final = 200
RUN_SECONDS: Final = 20.0
"""Of one run: other jobs wait for the same worker. The rest waits for the next."""
WAITS_LONG: Final = timedelta(minutes=5)
"""For a worker, which takes a task within seconds."""

NOT_IN_TIME: Final = Failure("upstream_timeout", "The task did not end in time.", retryable=True)


def failure(task: Task, *, now: datetime) -> Failure | None:
    """Why the task fails for its age, if it does. `now` by the database's clock."""
    if task.status == TaskStatus.QUEUED and task.created_at + timedelta(seconds=settings.TASK_QUEUED_SECONDS) <= now:
        return Failure("model_unavailable", "The task waited too long for its start.", retryable=True)
    if task.deadline_at is not None and task.deadline_at <= now:
        return last_failure(task.attempts) or NOT_IN_TIME
    return None


def last_failure(tries: Attempts) -> Failure | None:
    """What the provider's last failure is for the customer, if the last of `tries` failed."""
    row = ERRORS.get(tries[-1].get("outcome", "")) if tries else None
    return Failure(row.code, row.message, retryable=True) if row is not None else None


def waiting_long() -> QuerySet[Task]:
    """The tasks that no worker has begun for WAITS_LONG, the oldest first: for staff to look at."""
    waiting = Task.objects.filter(status=TaskStatus.QUEUED, next_run_at__isnull=False)
    return waiting.filter(created_at__lt=Now() - WAITS_LONG).order_by("created_at", "id")


def end_overdue() -> int:
    """End those that are due to end; how many. Those whose wallet is locked wait for the next time. Run by beat, any number at once."""
    late = Q(status=TaskStatus.QUEUED, created_at__lte=Now() - timedelta(seconds=settings.TASK_QUEUED_SECONDS))
    late |= Q(status=TaskStatus.RUNNING, deadline_at__lte=Now()) | Q(cancel_requested_at__isnull=False)
    # every task that has not ended has one, and they have an index
    found = Task.objects.filter(late, next_run_at__isnull=False).order_by("next_run_at").select_related("usage").annotate(seen_at=Now())
    ended, busy, begun = 0, set(), time.monotonic()
    for task in found[:BATCH]:
        if task.usage.wallet_id in busy:
            continue
        if time.monotonic() - begun > RUN_SECONDS:
            break
        try:
            ended += _end(task, now=task.seen_at)  # type: ignore[attr-defined]
        except OperationalError as error:
            busy.add(task.usage.wallet_id)
            logger.warning("a task waits to be ended: %s", type(error).__name__, extra={"usage_id": task.pk})
        except Exception as error:  # of one row, which holds up no other
            logger.error("a task was not ended: %s", type(error).__name__, extra={"usage_id": task.pk})
    return ended


def _end(task: Task, *, now: datetime) -> bool:
    if task.cancel_requested_at is not None:
        return ending.cancel(task.pk, cost_usd=cost_usd(task)) is not None
    why = failure(task, now=now)
    run = task.run if task.status == TaskStatus.QUEUED else None  # it may have been started since
    return why is not None and ending.fail(task.pk, why, run=run, cost_usd=cost_usd(task)) is not None
