"""Tasks in each of their states, written by the test itself: no worker has to come by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from contract.ids import new_id
from tasks_app import ending
from tasks_app.ending import Failure
from tasks_app.models import Artifact, Task
from tests.tasks_app.paid_task import paid_task
from wallets.models import Wallet

HOUR = timedelta(hours=1)
OVERLOADED = Failure("model_unavailable", "The provider is overloaded.", retryable=True)


def queued(wallet: Wallet | None = None, **fields: Any) -> Task:
    """Not due for an hour, so that no worker takes it."""
    return paid_task(wallet, **{"next_run_at": timezone.now() + HOUR, **fields})


def running(wallet: Wallet | None = None, **fields: Any) -> Task:
    """Claimed for an hour by a worker that there is not."""
    now = timezone.now()
    values = {"status": "running", "stage": "generating", "started_at": now, "deadline_at": now + HOUR, "run": 1, **fields}
    return queued(wallet, **values)


def stored(task: Task | None, **fields: Any) -> Artifact:
    """A file made by the task; without one `fields` say whose it is."""
    values = {
        "kind": "output",
        "media_type": "audio",
        "mime_type": "audio/mpeg",
        "size_bytes": 4000,
        "sha256": "0" * 64,
        "duration_seconds": "24.500",
        "storage_name": new_id("file"),
        "expires_at": timezone.now() + timedelta(days=30),
        **fields,
    }
    whose = {} if task is None else {"account": task.account, "task": task}
    return Artifact.objects.create(id=new_id("art"), **whose, **values)


def succeeded(*artifacts: Artifact) -> Task:
    """The task of these files, with a clip for each."""
    task = artifacts[0].task
    assert task is not None
    clips = [{"tags": "piano", "artifact_id": artifact.pk, "title": "Dawn", "lyrics": ""} for artifact in artifacts]
    assert ending.succeed(task.pk, run=task.run, clips=clips) == "succeeded"
    return Task.objects.get(pk=task.pk)


def failed(wallet: Wallet | None = None) -> Task:
    task = running(wallet, attempts=[{"route": "sandbox", "sent": True}])
    assert ending.fail(task.pk, OVERLOADED) == "failed"
    return Task.objects.get(pk=task.pk)


def canceled(wallet: Wallet | None = None) -> Task:
    task = queued(wallet)
    assert ending.cancel(task.pk) == "canceled"
    return Task.objects.get(pk=task.pk)
