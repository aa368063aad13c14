"""One step of a task, decided by its row alone:

    queued                            begin: running from now on
    a reference that is not stored    prepare
    no try at hand                    choose a route
    a try that was not sent           send it: the longest step of a provider whose call lasts
    a try that was sent               poll it by the provider's name for it; without a name its worker died
    something made                    save it, and succeed

The first four are one step, so that a task whose call lasts stays queued until a worker has time for the call. Each may be broken off at
any line, and is then taken again when its claim has run out: also one that fails in a way that nobody has thought of, until the task's time
is over.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from django.db import Error as DatabaseError
from django.db import OperationalError

from tasks_app import ending
from tasks_app.engine import attempts, overdue, polling, preparing, saving, sending, trying
from tasks_app.engine.claims import Canceled, Claim, ClaimLost, claim
from tasks_app.engine.costs import cost_usd
from tasks_app.engine.trying import TaskFailed
from tasks_app.models import TaskStatus

logger = logging.getLogger(__name__)

BUSY_SECONDS: Final = 2.0
"""Until a step is tried again that the database broke off, mostly as the wallet was locked."""


@dataclass(frozen=True, slots=True)
class Next:
    """When the next step is due, in seconds from now, and whether it is a call that lasts for minutes."""

    seconds: float
    blocks: bool


def take(task_id: str, *, may_block: bool) -> Next | None:
    """Take the next step of the task, if it is due. None: it is not, or has ended, or somebody else is at it.

    Unless the caller `may_block`, a step that is a call of minutes is left for one who may, due at once.
    """
    taken = claim(task_id)
    if taken is None:
        return None
    try:
        return _taken(taken, may_block=may_block)
    except ClaimLost:
        logger.info("a step was overtaken", extra={"usage_id": task_id})
    except OperationalError as error:
        logger.warning("a step waits for the database: %s", type(error).__name__, extra={"usage_id": task_id})
        return _put_off(taken)
    except Exception as error:  # its text may hold anything
        logger.error("a step failed unexpectedly: %s", type(error).__name__, extra={"usage_id": task_id})
    return None


def _taken(taken: Claim, *, may_block: bool) -> Next | None:
    task = taken.task
    try:
        seconds = _step(taken, may_block=may_block)
        if seconds is None:
            return None
        taken.heed_cancel()
    except Canceled:
        ending.cancel(task.pk, run=task.run, cost_usd=cost_usd(task))
        return None
    except TaskFailed as error:
        task.attempts = error.attempts or task.attempts
        ending.fail(task.pk, error.failure, run=task.run, attempts=task.attempts, cost_usd=cost_usd(task))
        return None
    return Next(seconds, blocks=trying.blocks(task))


def _step(taken: Claim, *, may_block: bool) -> float | None:
    """Seconds until the next one; None: the task has ended."""
    task = taken.task
    if task.cancel_requested_at is not None:
        raise Canceled(task.pk)
    if (why := overdue.failure(task, now=taken.now())) is not None:
        raise TaskFailed(why)
    if task.made:
        return saving.save(taken)
    if task.provider_task_id:
        return polling.poll(taken)
    if task.sent_at is not None:
        return sending.was_left(taken)
    if not may_block and trying.blocks(task):
        return _left(taken)
    if preparing.is_held_up(task):
        return preparing.wait(taken)
    if task.status == TaskStatus.QUEUED:
        preparing.begin(taken)
    if not attempts.at_hand(task):
        preparing.prepare(taken)
        trying.choose(taken)
        if not may_block and trying.blocks(task):  # staff have changed the routes meanwhile
            return _left(taken)
    return sending.send(taken)


def _left(taken: Claim) -> float:
    """The claim is given back: whoever may take this step finds it due."""
    taken.write(due_in=0)
    return 0


def _put_off(taken: Claim) -> Next | None:
    try:
        taken.write(due_in=BUSY_SECONDS)
    except (DatabaseError, ClaimLost):  # the claim runs out
        return None
    return Next(BUSY_SECONDS, blocks=False)
