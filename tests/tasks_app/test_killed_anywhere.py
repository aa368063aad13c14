"""A worker that is killed before and after every statement of a task, one after the other: what comes next goes on from what is there.

Killed between the note that a try is sent and the note of its answer nobody knows whether it was: only then it is sent once more.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models.functions import Now

from tasks_app.models import Artifact, Leftover, Task
from tasks_app.uploads import storing
from tasks_app.uploads.retention import retain_files
from tests.factories import WalletFactory
from tests.servers import ROOT
from tests.tasks_app.media_files import wav
from tests.tasks_app.stand_in import Answer, Ask, StandIn, fine, refused, stand_in
from tests.tasks_app.works import PAID, REFUNDED, assert_sound, books, files, outcomes, prompt, work
from wallets.audit import audit
from wallets.models import Wallet

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("committed")]


class DyingWorker:
    """tests/tasks_app/dying_worker.py, in a process."""

    def __init__(self, provider: StandIn, *, ahead: int = 0) -> None:
        url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tasks_app.dying_worker"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url, "SANDBOX_URL": provider.url, "AHEAD_SECONDS": str(ahead)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def take(self, task: Task, *, dies_at: int = 0) -> str:
        """Where it died on the way to the task's end; nothing, where it did not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(task.pk, dies_at, file=self._process.stdin, flush=True)
        while not (said := self._process.stdout.readline()).startswith(("died", "lived")):
            assert said and not said.startswith("broke"), "the worker did not come to an end"
        task.refresh_from_db()
        return said.removeprefix("died").strip() if said.startswith("died") else ""

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def provider() -> Iterator[StandIn]:
    with stand_in() as provider:
        yield provider


@pytest.fixture
def worker(provider: StandIn) -> Iterator[DyingWorker]:
    worker = DyingWorker(provider)
    yield worker
    worker.stop()


def canceled_meanwhile(ask: Ask) -> Answer:
    """The customer does not want it any more, while the provider is at work."""
    Task.objects.filter(input__prompt=ask.prompt, completed_at=None).update(cancel_requested_at=Now())
    connection.close()
    return fine(ask)


STEPS = {"succeeded": fine, "failed": refused, "canceled": canceled_meanwhile}


def a_task(family: str) -> Task:
    """Of MiniMax with a reference, which is stored already."""
    if family == "suno":
        return work(family)
    wallet = WalletFactory(balance=100)
    reference = storing.store(BytesIO(wav(7)), account_id=wallet.account_id, kind="upload")
    given = {"type": "artifact", "artifact_id": reference.pk}
    return work(family, wallet=wallet, capability="reference_audio_to_music", reference=reference, reference_audio=given)


@pytest.mark.parametrize("family", ["suno", "minimax"])
@pytest.mark.parametrize("ahead", [-600, 600])
def test_a_worker_whose_clock_is_wrong_does_as_any_other(provider, family, ahead):
    worker = DyingWorker(provider, ahead=ahead)
    try:
        for end, step in STEPS.items():
            task = a_task(family)
            provider.script(prompt(task), "submit", step)
            assert worker.take(task) == ""
            assert (task.status, provider.count(prompt(task), "submit")) == (end, 1), task.error
            assert task.deadline_at - task.started_at == timedelta(minutes=15)
            assert abs((task.started_at - task.created_at).total_seconds()) < 300
            assert task.started_at <= task.completed_at
            assert set(files(task)) >= {clip["artifact_id"] for clip in task.clips}
            assert_sound(task)
    finally:
        worker.stop()


@pytest.mark.parametrize(("family", "end"), [("suno", "succeeded"), ("suno", "canceled"), ("minimax", "succeeded"), ("minimax", "failed")])
def test_killed_at_every_point_it_ends_once(worker, provider, family, end):
    stored_before, seen, tasks = stored(), Counter(), []
    for point in itertools.count(1):
        task = a_task(family)
        provider.script(prompt(task), "submit", *[STEPS[end]] * 2)
        tasks.append(task)
        where = worker.take(task, dies_at=point)
        if not where:
            break
        was_left = task.sent_at is not None and not task.provider_task_id and not task.made and not task.is_final
        worker.take(task)
        submits = provider.count(prompt(task), "submit")
        seen[was_left, submits] += 1
        assert task.status == end, (where, task.attempts, task.error)
        assert books(task) == (PAID if end == "succeeded" else REFUNDED), where
        assert [outcome for _, outcome, _ in outcomes(task)].count("unknown") <= was_left, where
        assert submits <= 1 + was_left, where
        assert len(task.clips) == ({"suno": 2, "minimax": 1}[family] if end == "succeeded" else 0), where
    assert point > 20, "it was hardly killed"
    assert seen[True, 1] > 0, "it was never killed between the note and the call"
    assert seen[True, 2] > 0 or end == "canceled", "it was never killed between the call and its answer's note"
    assert seen[False, 1] > 0

    Leftover.objects.update(due_at=Now())  # those who had begun to store something are dead
    retain_files()
    wallets = Wallet.objects.filter(account__in=[task.account_id for task in tasks]).values_list("pk", flat=True)
    assert [found for found in audit() if found.wallet_id in set(wallets)] == []
    for task in tasks:
        assert files(task) == [clip["artifact_id"] for clip in task.clips]
    kept = Artifact.objects.filter(account__in=[task.account_id for task in tasks], removed_at=None)
    assert stored() - stored_before == set(kept.values_list("storage_name", flat=True))


def stored() -> set[str]:
    folder = Path(default_storage.path(""))
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
