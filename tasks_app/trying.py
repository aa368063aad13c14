"""The tries of a task: over which route, and what follows when one fails.

A provider's transient failure is followed by another try: over the other routes first, then over the same again after a growing pause, as
long as another try has time (TASK_RESEND_SECONDS before the deadline). What can't be helped by asking again fails the task.
"""

from __future__ import annotations

import logging
import random
from typing import Final

from django.conf import settings

from catalog.music_models import MusicRoute, music_model, usable_route
from tasks_app import attempts, overdue, progress
from tasks_app.claims import Claim
from tasks_app.ending import Failure
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


def choose(claim: Claim) -> float:
    """Begin a try over the route that was tried least, by rank; seconds until the next step. Raises TaskFailed, ClaimLost."""
    task = claim.task
    routes = _routes(task)
    if not routes:
        raise TaskFailed(overdue.last_failure(task) or _NO_ROUTE)
    tried = attempts.by_route(task)
    route = min(routes, key=lambda route: tried[route.name])
    claim.write(
        stage=Stage.GENERATING,
        message="Making the music.",
        percent=max(task.percent, progress.GENERATING),
        route_id=route.id,
        attempts=attempts.begun(task, route=route.name, now=claim.now()),
        provider_task_id="",
        sent_at=None,
        due_in=0,
    )
    return 0


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
    if any(tried[route.name] < most for route in _routes(task)):
        return again(claim, tries, failure)
    return again(claim, tries, failure, seconds=jittered(min(FIRST_PAUSE_SECONDS * 2 ** (most - 1), LONGEST_PAUSE_SECONDS)))


def unusable(claim: Claim, what: str, **known: bool) -> float:
    """The route of the try at hand is for staff to mend: another one, if there is one. `known` is for the try. Raises ClaimLost."""
    task = claim.task
    logger.error("staff must look: a route of music can't be used: %s", what, extra={"route": task.attempts[-1]["route"]})
    claim.write(attempts=attempts.ended(task, FAILED.code, now=claim.now(), unusable=True, **known), due_in=0)
    return 0


def again(claim: Claim, tries: attempts.Attempts, failure: Failure, *, seconds: float = 0) -> float:
    """The try at hand is over, as `tries` have it. Another one in `seconds`, which it gives back; or none, where that would come too late.
    Raises TaskFailed, ClaimLost."""
    assert claim.task.deadline_at is not None
    left: float = (claim.task.deadline_at - claim.now()).total_seconds()
    if left - seconds <= settings.TASK_RESEND_SECONDS:
        raise TaskFailed(failure, attempts=tries)
    claim.write(attempts=tries, sent_at=None, due_in=seconds)
    return seconds


def route_of(task: Task) -> MusicRoute | None:
    """The route of the try at hand, if it can still be used."""
    return usable_route(task.route) if task.route is not None else None


def blocks(task: Task) -> bool:
    """Whether the next step is a call that lasts for minutes."""
    if not attempts.at_hand(task) or task.sent_at is not None or task.made:
        return False
    route = route_of(task)
    return route is not None and provider_of(route).blocking


def jittered(seconds: float) -> float:
    """About so many: tasks that failed together don't come back together."""
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311


def _routes(task: Task) -> list[MusicRoute]:
    model = music_model(task.model)
    unusable = attempts.unusable(task)
    return [route for route in model.routes if route.name not in unusable] if model else []
