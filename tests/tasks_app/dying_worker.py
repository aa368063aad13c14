"""A worker that takes the steps of one task after the other, and dies where it is told to.

    python -m tests.tasks_app.dying_worker      reads lines `<task id> <point>`, answers each with `died <where>` or `lived`

Every SQL statement of a step that is no mere reading has two points, before it and after it, counted from 1; at its point the worker
sends itself SIGKILL. What lies between two of them, as a call of a provider does, lies between two points. At point 0 it never dies.
Its clock is AHEAD_SECONDS, of the environment, ahead of the database's.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

MOST_STEPS = 30
READING = re.compile(r"\s*select\b(?!.*\bfor (no key )?update)", re.IGNORECASE | re.DOTALL)


class Death:
    """Wrapped around the statements of every thread of a process, from `begin` to `end`."""

    def __init__(self, point: int, *, told: int) -> None:
        self._left = point
        self._told = told
        self._lock = threading.Lock()
        self.armed = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if READING.match(sql):
            return execute(sql, params, many, context)
        self._pass(f"before {sql}")
        result = execute(sql, params, many, context)
        self._pass(f"after {sql}")
        return result

    def _pass(self, where: str) -> None:
        with self._lock:
            if self.armed:
                self._left -= 1
                if self._left == 0:
                    os.write(self._told, " ".join(where.split())[:200].encode())
                    os.kill(os.getpid(), signal.SIGKILL)


def work(task_id: str, death: Death) -> None:
    """All steps of the task, without the waiting between them."""
    from django.db.backends.signals import connection_created
    from django.db.models.functions import Now

    from tasks_app.engine import steps
    from tasks_app.models import Task

    def watch(connection: Any, **_: Any) -> None:
        if death not in connection.execute_wrappers:
            connection.execute_wrappers.append(death)

    connection_created.connect(watch)
    for _ in range(MOST_STEPS):
        if not Task.objects.filter(pk=task_id, completed_at=None).update(next_run_at=Now()):
            return
        death.armed = True
        steps.take(task_id, may_block=True)
        death.armed = False
    raise AssertionError("it does not end")


def set_clocks(ahead: float) -> None:
    """Those that our code reads."""
    now, seconds = timezone.now, time.time
    timezone.now = lambda: now() + timedelta(seconds=ahead)
    time.time = lambda: seconds() + ahead


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "beatra_site.settings")
    import django

    django.setup()
    # Once, not in every child
    from django.urls import get_resolver

    import tasks_app.engine.steps  # noqa: F401
    from tasks_app.music import calls

    calls._tls()
    if ahead := float(os.environ.get("AHEAD_SECONDS", "0")):
        set_clocks(ahead)
    _ = get_resolver().url_patterns

    for line in sys.stdin:
        task_id, point = line.split()
        reading, telling = os.pipe()
        if (child := os.fork()) == 0:
            code = 1
            try:
                work(task_id, Death(int(point), told=telling))
                code = 0
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(telling)
        with os.fdopen(reading) as told:
            where = told.read()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            print("died", where, flush=True)
        else:
            print("lived" if status == 0 else "broke", flush=True)


if __name__ == "__main__":
    main()
