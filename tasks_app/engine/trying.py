"""The tries of a task: over which route, and what follows when one fails.

A provider's transient failure is followed by another try: over the other routes first, then over the same again after a growing pause, as
long as another try has time (TASK_RESEND_SECONDS before the deadline). What can't be helped by asking again fails the task.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import Final

from django.conf import settings

from catalog.music_models import MusicRoute, routes_by_model, usable_route
from tasks_app.ending import Failure
from tasks_app.engine import attempts, overdue, progress
from tasks_app.engine.claims import Claim
from tasks_app.models import Stage, Task
from tasks_app.music.provider import Misconfigured, ProviderError, Refused
from tasks_app.music.providers import provider_of

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 60.0

FAILED: Final = Failure("upstream_error", "The provider failed to answer.", retryable=True)
_NO_ROUTE: Final = Failure("model_unavailable", "The model can't be reached at the moment.", retryable=True)


class TaskFailed(Exception):
    """The task is to end with `failure`, and with these `attempts`, in one transaction: a step that is broken off before has decided
    nothing, and the next one comes to the same."""

    def __init__(self, failure: Failure, *, attempts: attempts.Attempts | None = None) -> None:
        super().__init__(failure.code)
        self.failure = failure
        self.attempts = attempts


def choose(claim: Claim) -> None:
    """Begin a try over the route that is next. Raises TaskFailed, ClaimLost."""
    task = claim.task
    route = _next_route(task, _routes_of(task))
    if route is None:
        raise TaskFailed(overdue.last_failure(task.attempts) or _NO_ROUTE)
    claim.write(
        stage=Stage.GENERATING,
        message="Making the music.",
        percent=max(task.percent, progress.GENERATING),
        route_id=route.id,
        attempts=attempts.begun(task, route=route.name, now=claim.now()),
        provider_task_id="",
        sent_at=None,
        due_in=settings.TASK_CLAIM_SECONDS,
    )


def failed(claim: Claim, error: ProviderError) -> float:
    """The try at hand has failed; seconds until the next one. Raises TaskFailed where there is none, ClaimLost."""
    task = claim.task
    if isinstance(error, Misconfigured):
        return unusable(claim, error.what, sent=error.sent)
    tries = attempts.ended(task, error.code, now=claim.now(), sent=error.sent)
    failure = Failure(error.code, error.message, retryable=not isinstance(error, Refused), param=error.param)
    if isinstance(error, Refused):
        raise TaskFailed(failure, attempts=tries)
    tried = attempts.by_route(task)
    most = max(tried.values())
    if any(tried[route.name] < most for route in _usable(task, _routes_of(task))):
        return again(claim, tries, failure)
    return again(claim, tries, failure, seconds=jittered(min(FIRST_PAUSE_SECONDS * 2 ** (most - 1), LONGEST_PAUSE_SECONDS)))


def unusable(claim: Claim, what: str, **known: bool) -> float:
    """The route of the try at hand is for staff to mend: another one, if there is one. `known` is for the try. Raises ClaimLost."""
    task = claim.task
    logger.error("staff must look: a route of music can't be used: %s", what, extra={"route": task.attempts[-1]["route"]})
    tries = attempts.ended(task, FAILED.code, now=claim.now(), unusable=True, **known)
    claim.write(attempts=tries, provider_task_id="", sent_at=None, due_in=0)
    return 0


def again(claim: Claim, tries: attempts.Attempts, failure: Failure, *, seconds: float = 0) -> float:
    """The try at hand is over, as `tries` have it. Another one in `seconds`, which it gives back; or none, where that would come too late.
    Raises TaskFailed, ClaimLost."""
    if not has_time(claim, after=seconds):
        raise TaskFailed(failure, attempts=tries)
    # Without the provider's name a late callback (tasks_app/music/nudges.py) does not shorten the pause
    claim.write(attempts=tries, provider_task_id="", sent_at=None, due_in=seconds)
    return seconds


def route_of(task: Task) -> MusicRoute | None:
    """The route of the try at hand, if it can still be used."""
    return usable_route(task.route) if task.route is not None else None


def has_time(claim: Claim, *, after: float = 0) -> bool:
    """Whether what is sent in `after` seconds may still be of use."""
    assert claim.task.deadline_at is not None
    left: float = (claim.task.deadline_at - claim.now()).total_seconds()
    least: float = settings.TASK_RESEND_SECONDS
    return left - after > least


def blocks(task: Task) -> bool:
    """Whether the next step is a call that may last: the provider's, or the fetching of the audio to go by."""
    return bool(blocking([task]))


def blocking(tasks: Sequence[Task]) -> set[str]:
    """The ids of those whose next step is a call that may last. Their routes are read at once."""
    sending = [task for task in tasks if task.sent_at is None and not task.made and not task.provider_task_id]
    routes = routes_by_model({task.model for task in sending if not attempts.at_hand(task)})
    return {
        task.pk
        for task in sending
        if task.is_to_fetch or ((route := _next_route(task, routes[task.model])) is not None and provider_of(route).blocking)
    }


def jittered(seconds: float) -> float:
    """About so many: tasks that failed together don't come back together."""
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311


def _next_route(task: Task, routes: Sequence[MusicRoute]) -> MusicRoute | None:
    """That of the try at hand, or of the next one: of `routes`, its model's, the one that was tried least, by rank."""
    if attempts.at_hand(task):
        return route_of(task)
    tried = attempts.by_route(task)
    return min(_usable(task, routes), key=lambda route: tried[route.name], default=None)


def _usable(task: Task, routes: Sequence[MusicRoute]) -> list[MusicRoute]:
    unusable = attempts.unusable(task)
    return [route for route in routes if route.name not in unusable]


def _routes_of(task: Task) -> list[MusicRoute]:
    return routes_by_model([task.model])[task.model]
