"""One step of a task, decided by its row alone:

    queued                            begin: running from now on
    a reference that is not stored    prepare
    no try at hand                    choose a route
    a try that was not sent           send it: the longest step of a provider whose call lasts
    a try that was sent               poll it by the provider's name for it; without a name its worker died
    something made                    save it, and succeed

Each is short, may be broken off at any line, and is then taken again when its claim has run out.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tasks_app import attempts, ending, overdue, polling, preparing, saving, sending, trying
from tasks_app.claims import Canceled, Claim, ClaimLost, claim
from tasks_app.costs import cost_usd
from tasks_app.models import TaskStatus
from tasks_app.trying import TaskFailed

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Next:
    """When the next step is due, in seconds from now, and whether it is a call that lasts for minutes."""

    seconds: float
    blocks: bool


def take(task_id: str) -> Next | None:
    """Take the next step of the task, if it is due. None: it is not, or has ended, or somebody else is at it."""
    taken = claim(task_id)
    if taken is None:
        return None
    task = taken.task
    try:
        seconds = _step(taken)
        if seconds is None:
            return None
        taken.heed_cancel()
    except ClaimLost:
        logger.info("a step was overtaken", extra={"usage_id": task_id})
        return None
    except Canceled:
        ending.cancel(task_id, run=task.run, cost_usd=cost_usd(task))
        return None
    except TaskFailed as error:
        task.attempts = error.attempts or task.attempts
        ending.fail(task_id, error.failure, run=task.run, attempts=task.attempts, cost_usd=cost_usd(task))
        return None
    return Next(seconds, blocks=trying.blocks(task))


def _step(taken: Claim) -> float | None:
    """Seconds until the next one; None: the task has ended."""
    task = taken.task
    if task.cancel_requested_at is not None:
        raise Canceled(task.pk)
    if (why := overdue.failure(task, now=taken.now())) is not None:
        raise TaskFailed(why)
    if task.status == TaskStatus.QUEUED:
        preparing.begin(taken)
    if task.made:
        return saving.save(taken)
    if not attempts.at_hand(task):
        preparing.prepare(taken)
        return trying.choose(taken)
    if task.provider_task_id:
        return polling.poll(taken)
    return sending.send(taken) if task.sent_at is None else sending.was_left(taken)
