"""The first step of a task: it is running from now on, and the audio to go by is fetched."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db.models.functions import Now

from contract import limits
from tasks_app.engine import progress
from tasks_app.engine.claims import Claim
from tasks_app.engine.kept_call import kept_call
from tasks_app.engine.trying import TaskFailed, jittered
from tasks_app.models import Stage, Task, TaskStatus
from tasks_app.music import reference

WAIT_SECONDS: Final = 3.0


def is_held_up(task: Task) -> bool:
    """Whether its audio is to be fetched, and its account has as many fetches under way as it may have: an address may be slow for the
    whole of its time, and workers are there for others too."""
    if not task.is_to_fetch:
        return False
    preparing = Task.objects.of_account(task.account_id).filter(status=TaskStatus.RUNNING, stage=Stage.PREPARING, next_run_at__gt=Now())
    return preparing.exclude(pk=task.pk).count() >= limits.REFERENCE_FETCHES


def wait(claim: Claim) -> float:
    """Let the fetches under way go first; seconds until the next look. Raises ClaimLost."""
    seconds = jittered(WAIT_SECONDS)
    claim.write(due_in=seconds)
    return seconds


def begin(claim: Claim) -> None:
    """Queued no more: the time until its deadline runs. Raises ClaimLost."""
    now = claim.now()
    claim.write(
        status=TaskStatus.RUNNING,
        stage=Stage.PREPARING,
        message="Preparing the request.",
        percent=progress.PREPARING,
        started_at=now,
        deadline_at=now + timedelta(seconds=settings.TASK_DEADLINE_SECONDS),
    )


def prepare(claim: Claim) -> None:
    """The audio to go by is stored from now on, if there is one to be. Raises TaskFailed, Canceled, ClaimLost."""
    task = claim.task
    if not task.input.get("reference_audio"):
        return
    try:
        task.reference = kept_call(claim, lambda: reference.prepare(task))
    except reference.ReferenceFailed as error:
        raise TaskFailed(error.failure) from None
