"""The tries of a task: what Task.attempts has of each, the last one the try at hand while it has no outcome.

    {"model", "route", "began_at", "sent"?, "outcome"?, "ms"?, "unusable"?}

`outcome` is answered, unknown (the worker died after it had sent), or a code of contract/errors.py. `sent`: it may have been billed.
`unusable`: the route is not to be tried again by this task.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from tasks_app.models import Task

ANSWERED = "answered"
UNKNOWN = "unknown"

Attempts = list[dict[str, Any]]


def at_hand(task: Task) -> bool:
    """Whether a try is under way."""
    return bool(task.attempts) and "outcome" not in task.attempts[-1]


def begun(task: Task, *, route: str, now: datetime) -> Attempts:
    """The tries with one more."""
    return [*task.attempts, {"model": task.model, "route": route, "began_at": now.isoformat()}]


def sent(task: Task) -> Attempts:
    """The tries, the last of them about to be sent."""
    return [*task.attempts[:-1], {**task.attempts[-1], "sent": True}]


def ended(task: Task, outcome: str, *, now: datetime, **more: Any) -> Attempts:
    """The tries, the last of them ended."""
    last = task.attempts[-1]
    ms = round((now - datetime.fromisoformat(last["began_at"])).total_seconds() * 1000)
    return [*task.attempts[:-1], {**last, **more, "outcome": outcome, "ms": ms}]


def by_route(task: Task) -> Counter[str]:
    """How often each route was tried, by its name."""
    return Counter(attempt["route"] for attempt in task.attempts)


def unusable(task: Task) -> set[str]:
    """The routes that are not to be tried again."""
    return {attempt["route"] for attempt in task.attempts if attempt.get("unusable")}


def unknown(task: Task) -> int:
    """How many tries were left by workers that died."""
    return sum(attempt.get("outcome") == UNKNOWN for attempt in task.attempts)
