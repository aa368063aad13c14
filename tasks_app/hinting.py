"""Hints to workers that a task may be due. The row says what there is to do: one that is lost, doubled or on the wrong queue does no harm.

music          short steps: polls, saving
music-calls    calls of a provider that last for minutes: they have workers of their own, and hold up nothing else
"""

from __future__ import annotations

import logging
from typing import Final

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from tasks_app.models import Task

logger = logging.getLogger(__name__)

STEP: Final = "tasks_app.step"
SHORT: Final = "music"
CALLS: Final = "music-calls"


def enqueue(task: Task, *, blocks: bool) -> None:
    """Once the caller's transaction is committed, tell a worker that the task is due; `blocks`: its next step is a call that lasts. If the
    broker is away, beat finds it."""
    transaction.on_commit(lambda: hint(task.pk, blocks=blocks))


def hint(task_id: str, *, blocks: bool, countdown: float | None = None, expires: float | None = None) -> bool:
    """Whether the broker took it. Both times in seconds."""
    queue = CALLS if blocks else SHORT
    try:
        current_app.send_task(STEP, [task_id], queue=queue, countdown=countdown or None, expires=expires)
    except OperationalError as error:
        logger.warning("a task's step was not sent: %s", type(error).__name__, extra={"usage_id": task_id})
        return False
    return True
