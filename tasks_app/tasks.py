"""The Celery jobs of tasks. A step whose next one is due soon sends the hint itself, with a countdown (tasks_app/hinting.py). Whatever is
due and was not hinted at is found by beat: when the broker has lost everything, a worker has died, or the pause was long.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final

from celery import shared_task
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from tasks_app.engine import overdue, steps, trying
from tasks_app.hinting import CALLS, STEP, hint
from tasks_app.models import Task

logger = logging.getLogger(__name__)

SOON_SECONDS: Final = 15.0
"""A hint waits in a worker's memory no longer."""
HINT_SECONDS: Final = 15
"""After so long a hint is given up: it is sent again, and the old one counts no more. So no backlog of them can grow."""
BATCH: Final = 200
BATCHES: Final = 10
"""In one run of beat; the rest waits for the next."""


@shared_task(name=STEP, bind=True, ignore_result=True)
def step(self: Any, task_id: str) -> None:
    """Take one step of the task, and see to the next. A call that lasts is made by none but the workers of its queue."""
    queue = (self.request.delivery_info or {}).get("routing_key")
    following = steps.take(task_id, may_block=queue == CALLS)
    if following is not None and following.seconds <= SOON_SECONDS:
        hint(task_id, blocks=following.blocks, countdown=following.seconds)


@shared_task(name="tasks_app.enqueue_due", ignore_result=True)
def enqueue_due() -> None:
    """Run by beat: a hint for each task that is due, the longest due first."""
    for _ in range(BATCHES):
        found = _due()
        blocking = _blocking(found)
        for task in found:
            if not hint(task.pk, blocks=task.pk in blocking, expires=HINT_SECONDS):
                return
        if len(found) < BATCH:
            return


@shared_task(name="tasks_app.end_overdue", ignore_result=True)
def end_overdue() -> None:
    """Run by beat: end what has waited or lasted too long, and what is to be canceled."""
    overdue.end_overdue()


def _blocking(found: list[Task]) -> set[str]:
    try:
        return trying.blocking(found)
    except Exception as error:  # of one row, which holds up no other: the workers of short steps pass on what is not theirs
        logger.error("tasks were hinted at without a look at them: %s", type(error).__name__)
        return set()


@transaction.atomic
def _due() -> list[Task]:
    """Tasks that are due and were not hinted at lately, which they now are. Another beat at the same time finds others."""
    waits = Q(hinted_at=None) | Q(hinted_at__lte=Now() - timedelta(seconds=HINT_SECONDS))
    rows = Task.objects.filter(waits, next_run_at__lte=Now()).order_by("next_run_at").select_related("route")
    found = list(rows.select_for_update(skip_locked=True, no_key=True, of=("self",))[:BATCH])
    Task.objects.filter(pk__in=[task.pk for task in found]).update(hinted_at=Now())
    return found
