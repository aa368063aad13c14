"""Hints to workers that a task may be due. The row says what there is to do: one that is lost, doubled or on the wrong queue does no harm.

music          short steps: polls, saving
music-calls    calls that may last: a provider's for minutes, a customer's address for half a one. They have workers of their own, and hold
               up nothing else
"""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import suppress
from typing import Final

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from tasks_app.models import Task

logger = logging.getLogger(__name__)

STEP: Final = "tasks_app.step"
SHORT: Final = "music"
CALLS: Final = "music-calls"

MOST_WAITING: Final = 100
"""Hints that a process has not sent yet."""


def enqueue(task: Task, *, blocks: bool) -> None:
    """Once the caller's transaction is committed, tell a worker that the task is due; `blocks`: its next step is a call that lasts. If the
    broker is away, beat finds it."""
    transaction.on_commit(lambda: _waiting.put(task.pk, blocks=blocks))


def hint(task_id: str, *, blocks: bool, countdown: float | None = None, expires: float | None = None) -> bool:
    """Whether the broker took it. Both times in seconds."""
    try:
        current_app.send_task(STEP, [task_id], queue=CALLS if blocks else SHORT, countdown=countdown or None, expires=expires)
    except OperationalError as error:
        logger.warning("a task's step was not sent: %s", type(error).__name__, extra={"usage_id": task_id})
        return False
    return True


class _Waiting:
    """Hints that a thread of this process sends: a broker may hang instead of being away, and no request waits for it. While many wait,
    others are left to beat."""

    def __init__(self) -> None:
        self._hints: queue.Queue[tuple[str, bool]] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._sender: threading.Thread | None = None

    def put(self, task_id: str, *, blocks: bool) -> None:
        with self._lock:
            if self._sender is None or not self._sender.is_alive():  # none yet, also in a process that was forked
                self._sender = threading.Thread(target=self._send, name="hints", daemon=True)
                self._sender.start()
        with suppress(queue.Full):
            self._hints.put_nowait((task_id, blocks))

    def _send(self) -> None:
        while True:
            task_id, blocks = self._hints.get()
            hint(task_id, blocks=blocks)


_waiting = _Waiting()
