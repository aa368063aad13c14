"""Claims on tasks: who takes a step of a task, and whose word on it counts.

    claim      one UPDATE takes a due task: it raises `run` and puts `next_run_at` as far ahead as a claim lasts
    renew      while the step lasts; a worker that dies renews no more, and the task is due again
    write      what the step found, only while `run` is still one's own and the task has not ended

All times are the database's clock: workers' clocks may differ.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models.functions import Now

from tasks_app.models import Task

CLAIM = """
update tasks_app_task
   set run = run + 1, next_run_at = clock_timestamp() + make_interval(secs => %(seconds)s), hinted_at = null
 where id = %(id)s and next_run_at <= clock_timestamp()
returning *, clock_timestamp() as claimed_at
"""


class ClaimLost(Exception):
    """The task has ended, or another worker has claimed it since: nothing was written, and nothing is left to do."""


class Canceled(Exception):
    """The task is to end canceled: its customer has asked for it."""


@dataclass(slots=True)
class Claim:
    """The right to take one step of `task`, which is as it was when it was claimed, with what was written since."""

    task: Task
    at: datetime
    _at: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """The database's clock."""
        return self.at + timedelta(seconds=time.monotonic() - self._at)

    def write(self, *, due_in: float | None = None, **fields: Any) -> None:
        """Set `fields` of the task. With `due_in` seconds the claim ends, or lasts, until then. Raises ClaimLost."""
        values = dict(fields)
        if due_in is not None:
            values["next_run_at"] = Now() + timedelta(seconds=due_in)
        if not Task.objects.filter(pk=self.task.pk, run=self.task.run, completed_at=None).update(**values):
            raise ClaimLost(self.task.pk)
        for name, value in fields.items():
            setattr(self.task, name, value)

    def renew(self, **fields: Any) -> None:
        """Keep the task for as long as a new claim. Raises Canceled when that was asked for, ClaimLost."""
        self.write(due_in=settings.TASK_CLAIM_SECONDS, **fields)
        self.heed_cancel()

    def heed_cancel(self) -> None:
        """Raises Canceled when that was asked for."""
        if Task.objects.filter(pk=self.task.pk, cancel_requested_at__isnull=False).exists():
            raise Canceled(self.task.pk)


def claim(task_id: str) -> Claim | None:
    """The next step of the task, for the caller to take; None: it is not due, another worker is at it, or it has ended."""
    for task in Task.objects.raw(CLAIM, {"id": task_id, "seconds": settings.TASK_CLAIM_SECONDS}):
        return Claim(task, at=task.claimed_at)  # type: ignore[attr-defined]
    return None
