"""Asking a provider how a submitted work stands. A question that is not answered is asked again; it never sends the work anew."""

from __future__ import annotations

import logging
from typing import Final

from django.conf import settings

from catalog.music_models import MusicRoute
from tasks_app.engine import progress, saving, trying
from tasks_app.engine.claims import Claim
from tasks_app.engine.kept_call import kept_call
from tasks_app.music.provider import Misconfigured, Refused, Unavailable, WorkFailed, Working
from tasks_app.music.providers import provider_of

logger = logging.getLogger(__name__)

SANDBOX_SECONDS: Final = 1.0


def poll(claim: Claim) -> float:
    """Ask once; seconds until the next step. Raises TaskFailed, Canceled, ClaimLost."""
    task = claim.task
    route = trying.route_of(task)
    if route is None:
        return trying.unusable(claim, "it is gone")
    provider = provider_of(route)
    pause = trying.jittered(_pause(route))
    try:
        answer = kept_call(claim, lambda: provider.poll(task.provider_task_id))
    except (WorkFailed, Refused) as error:
        return trying.failed(claim, error)
    except Unavailable as error:
        logger.warning("a work was not told about: %s", error.code, extra={"route": route.name, "usage_id": task.pk})
        pause *= 2
    except Misconfigured as error:  # the work goes on there, and staff may mend it in time
        logger.error("staff must look: a route of music can't be used: %s", error.what, extra={"route": route.name})
        pause *= 2
    else:
        if not isinstance(answer, Working):
            return saving.delivered(claim, answer)
        claim.write(percent=max(task.percent, progress.of_work(answer.percent)))
    claim.write(due_in=pause)
    return pause


def first_after(route: MusicRoute) -> float:
    """Seconds from the submitting to the first question: no work is ready sooner."""
    return trying.jittered(2 * _pause(route))


def _pause(route: MusicRoute) -> float:
    seconds: float = settings.TASK_POLL_SECONDS
    return min(seconds, SANDBOX_SECONDS) if route.sandbox else seconds
