"""The Celery jobs of tasks. Each is a hint that a task may be due; the row says what there is to do."""

from __future__ import annotations

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from tasks_app.models import Task

logger = logging.getLogger(__name__)

STEP = "tasks_app.step"


def enqueue(task: Task) -> None:
    """Once the caller's transaction is committed, tell a worker that the task is due. If the broker is away, beat finds it."""

    def send() -> None:
        try:
            current_app.send_task(STEP, [task.pk])
        except OperationalError as error:
            logger.warning("a task's step was not sent: %s", type(error).__name__, extra={"usage_id": task.pk})

    transaction.on_commit(send)
