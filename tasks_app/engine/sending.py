"""Sending a try to its provider, at most once.

It is committed, as sent, before the provider hears of it. One whose worker died then, before it had the provider's name of the work, is
`unknown`: it may run there, and be billed. It is followed by another try once in a task, and only if that one has time.
"""

from __future__ import annotations

import logging
from typing import Final

from django.conf import settings

from catalog import breaker_sync
from tasks_app.engine import attempts, overdue, polling, progress, saving, trying
from tasks_app.engine.claims import Claim
from tasks_app.engine.kept_call import kept_call
from tasks_app.music.job import job
from tasks_app.music.provider import ProviderError, Submitted, Unavailable
from tasks_app.music.providers import provider_of

logger = logging.getLogger(__name__)

MOST_UNKNOWN: Final = 1
"""Tries with an unknown end that are followed by another."""
CALL_SECONDS: Final = 480.0
"""The longest that a call lasts which ends with the music."""
SUBMIT_SECONDS: Final = 360.0
"""The longest that any other submitting lasts, with a reference to upload before."""


def send(claim: Claim) -> float:
    """Send the try at hand; seconds until the next step. Raises TaskFailed, Canceled, ClaimLost."""
    task = claim.task
    route = trying.route_of(task)
    if route is None:
        return trying.unusable(claim, "it is gone")
    if not trying.has_time(claim):
        failure = overdue.last_failure(task.attempts[:-1]) or overdue.NOT_IN_TIME
        raise trying.TaskFailed(failure, attempts=attempts.ended(task, overdue.NOT_IN_TIME.code, now=claim.now(), sent=False))
    provider = provider_of(route)
    leave = breaker_sync.enter(route.id, account_id=task.account_id, seconds=CALL_SECONDS if provider.blocking else SUBMIT_SECONDS)
    if leave is None:
        return trying.failed(claim, Unavailable("model_unavailable", "The model can't be reached at the moment.", sent=False))
    try:
        asked = job(task, route)
        claim.write(sent_at=claim.now(), attempts=attempts.sent(task), due_in=settings.TASK_CLAIM_SECONDS)
        answer = kept_call(claim, lambda: provider.submit(asked), percent=progress.of_silence if provider.blocking else None)
    except ProviderError as error:
        if isinstance(error, Unavailable) and error.counts:
            leave.failed()
        return trying.failed(claim, error)
    else:
        leave.succeeded()
    finally:
        leave.dropped()  # unless it was said how it went
    if isinstance(answer, Submitted):
        seconds = polling.first_after(route)
        claim.write(provider_task_id=answer.provider_task_id, due_in=seconds)
        return seconds
    return saving.delivered(claim, answer)


def was_left(claim: Claim) -> float:
    """The worker of the try at hand died when it had sent; seconds until the next step. Raises TaskFailed, ClaimLost."""
    task = claim.task
    logger.warning("a try was left by its worker: it may have been billed", extra={"usage_id": task.pk})
    tries = attempts.ended(task, attempts.UNKNOWN, now=claim.now())
    if attempts.unknown(task) >= MOST_UNKNOWN:
        raise trying.TaskFailed(trying.FAILED, attempts=tries)
    return trying.again(claim, tries, trying.FAILED)
