"""The first step of a task: it is running from now on, and the audio to go by is fetched."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from tasks_app.engine import progress
from tasks_app.engine.claims import Claim
from tasks_app.engine.kept_call import kept_call
from tasks_app.engine.trying import TaskFailed
from tasks_app.models import Stage, TaskStatus
from tasks_app.music import reference


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
