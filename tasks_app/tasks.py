"""The Celery jobs of tasks. Each is a hint that a task may be due; the row says what there is to do.

    music          short steps: polls, saving
    music-calls    calls of a provider that last for minutes: they have workers of their own, and hold up nothing else

A step whose next one is due soon sends the hint itself, with a countdown. Whatever is due and was not hinted at is found by beat: when the
broker has lost everything, a worker has died, or the pause was long.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from celery import current_app, shared_task
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from tasks_app.engine import overdue, steps, trying
from tasks_app.models import Task

logger = logging.getLogger(__name__)

STEP: Final = "tasks_app.step"
SHORT: Final = "music"
CALLS: Final = "music-calls"

SOON_SECONDS: Final = 15.0
"""A hint waits in a worker's memory no longer."""
HINT_SECONDS: Final = 15
"""After so long a hint is given up: it is sent again, and the old one counts no more. So no backlog of them can grow."""
BATCH: Final = 200
BATCHES: Final = 10
"""In one run of beat; the rest waits for the next."""


def enqueue(task: Task) -> None:
    """Once the caller's transaction is committed, tell a worker that the task is due. If the broker is away, beat finds it."""
    transaction.on_commit(lambda: _hint(task.pk, queue=SHORT))


@shared_task(name=STEP, ignore_result=True)
def step(task_id: str) -> None:
    """Take one step of the task, and see to the next."""
    following = steps.take(task_id)
    if following is not None and following.seconds <= SOON_SECONDS:
        _hint(task_id, queue=CALLS if following.blocks else SHORT, countdown=following.seconds)


@shared_task(name="tasks_app.enqueue_due", ignore_result=True)
def enqueue_due() -> None:
    """Run by beat: a hint for each task that is due, the longest due first."""
    for _ in range(BATCHES):
        found = _due()
        for task in found:
            if not _hint(task.pk, queue=CALLS if trying.blocks(task) else SHORT, expires=HINT_SECONDS):
                return
        if len(found) < BATCH:
            return


@shared_task(name="tasks_app.end_overdue", ignore_result=True)
def end_overdue() -> None:
    """Run by beat: end what has waited or lasted too long, and what is to be canceled."""
    overdue.end_overdue()


@transaction.atomic
def _due() -> list[Task]:
    """Tasks that are due and were not hinted at lately, which they now are. Another beat at the same time finds others."""
    waits = Q(hinted_at=None) | Q(hinted_at__lte=Now() - timedelta(seconds=HINT_SECONDS))
    rows = Task.objects.filter(waits, next_run_at__lte=Now()).order_by("next_run_at")
    found = list(rows.select_for_update(skip_locked=True, no_key=True)[:BATCH])
    Task.objects.filter(pk__in=[task.pk for task in found]).update(hinted_at=Now())
    return found


def _hint(task_id: str, *, queue: str, countdown: float | None = None, expires: float | None = None) -> bool:
    """Whether the broker took it."""
    try:
        current_app.send_task(STEP, [task_id], queue=queue, countdown=countdown or None, expires=expires)
    except OperationalError as error:
        logger.warning("a task's step was not sent: %s", type(error).__name__, extra={"usage_id": task_id})
        return False
    return True
