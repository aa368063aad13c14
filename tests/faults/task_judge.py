"""The judge of tasks: each against its money, its files, and what the provider made for it."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from django.db.models.functions import Now

from beatra_site.sandbox.generations import GENERATION
from tasks_app.engine import attempts
from tasks_app.models import Artifact, Leftover, Task
from tasks_app.uploads.retention import retain_files
from tests import mp3
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.faults.judge import assert_books
from tests.faults.music import CANCELED, CANCELING, SUNO, Orders, marker
from tests.faults.stack import TASK_SETTINGS, Stack
from wallets.models import LedgerEntry

SLACK_SECONDS = 60
"""For parts that are killed when a task is to end, and for a slow machine."""
MOST_UNKNOWN = 2


def wait_until_ended(owners: Sequence[Customer]) -> list[Task]:
    """All tasks of `owners`, which end within their bounds."""
    bounds = float(TASK_SETTINGS["TASK_QUEUED_SECONDS"]) + float(TASK_SETTINGS["TASK_DEADLINE_SECONDS"])
    tasks = Task.objects.filter(account__in=[owner.account for owner in owners])
    deadline = time.monotonic() + bounds + SLACK_SECONDS
    while running := list(tasks.filter(completed_at=None)):
        assert time.monotonic() < deadline, f"have not ended: {[told(task) for task in running]}"
        time.sleep(0.2)
    return list(tasks.select_related("usage"))


def generations(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """What the provider has made, through all its lives, by marker."""
    made = defaultdict(list)
    for line in stack.provider.log.splitlines():
        if line.startswith(GENERATION):
            one = json.loads(line.removeprefix(GENERATION))
            made[one["marker"]].append(one)
    return made


def judge_tasks(orders: Orders, stack: Stack) -> list[Task]:
    """Each was created once and ended as it had to, with its money, its clips and its generations accounted for. All of them."""
    assert [(one.name, one.refusal) for one in orders.wanted if one.refusal or one.task_id is None] == []
    tasks = {task.metadata["name"]: task for task in wait_until_ended(orders.owners)}
    assert {name: task.pk for name, task in tasks.items()} == {one.name: one.task_id for one in orders.wanted}
    assert Task.objects.filter(account__in=[owner.account for owner in orders.owners]).count() == len(orders.wanted)
    made = generations(stack)
    for one in orders.wanted:
        task = tasks[one.name]
        if one.canceled in (CANCELED, CANCELING):
            assert task.status == "canceled", told(task)
        else:
            assert task.status != "canceled", told(task)
        if one.fate in ("moderated", "failing", "lost", "no audio"):
            assert task.status != "succeeded", told(task)
        assert_paid(task)
        assert_explained(task, made[marker(one.name)])
        if task.status == "succeeded":
            assert_playable(task, one.owner)
        else:
            assert task.clips == [], told(task)
    assert_books(orders.owners)
    for owner in orders.owners:
        paid = [task.usage.charged_credits for task in tasks.values() if task.account_id == owner.account.pk and task.status == "succeeded"]
        assert owner.wallet.balance == owner.put_in - sum(paid)
    return list(tasks.values())


def assert_paid(task: Task) -> None:
    """Once, and given back once unless it succeeded."""
    price = Decimal(80 if task.model == SUNO else 50)
    entries = list(LedgerEntry.objects.filter(usage_record=task.pk).order_by("seq").values_list("kind", "amount"))
    paid = [("charge", -price)]
    assert entries == (paid if task.status == "succeeded" else [*paid, ("refund", price)]), told(task)


def assert_explained(task: Task, made: Sequence[dict[str, Any]]) -> None:
    """Each generation belongs to a try that was sent, and each answer to a generation; only a worker's death sends one anew unasked."""
    sent = sum(bool(attempt.get("sent")) for attempt in task.attempts)
    answered = sum(attempt.get("outcome") == attempts.ANSWERED for attempt in task.attempts)
    is_working = bool(task.provider_task_id) and attempts.at_hand(task)
    assert answered + is_working <= len(made) <= sent, (told(task), made)
    assert attempts.unknown(task) <= MOST_UNKNOWN, told(task)
    if all(attempt.get("outcome", attempts.ANSWERED) in (attempts.ANSWERED, attempts.UNKNOWN) for attempt in task.attempts):
        assert len(made) <= 1 + attempts.unknown(task) <= 2 + (answered == 0), (told(task), made)


def assert_playable(task: Task, owner: Customer) -> None:
    """All clips that were paid for, over HTTP."""
    assert eventually(lambda: owner.http.get(f"/tasks/{task.pk}").status_code == 200, seconds=30), "the site is not back"
    output = owner.http.get(f"/tasks/{task.pk}").json()["output"]
    missing = sum(warning["code"] == "clip_missing" for warning in task.warnings)
    assert len(output["clips"]) == (2 if task.model == SUNO else 1) - missing, told(task)
    for clip in output["clips"]:
        audio = httpx.get(clip["audio"]["url"], timeout=60)
        assert (audio.status_code, len(audio.content)) == (200, clip["audio"]["size_bytes"])
        assert mp3.seconds(audio.content) > 5


def assert_files(stack: Stack, owners: Iterable[Customer]) -> None:
    """After retention: in storage is what the rows keep, and they keep no more than references sent and clips. With all workers at rest."""
    Leftover.objects.update(due_at=Now())  # whoever had begun to store something is gone
    retain_files()
    kept = {artifact.storage_name: artifact for artifact in Artifact.objects.filter(removed_at=None)}
    assert files_in(stack.files) == kept.keys()
    assert not Leftover.objects.exists()
    of_tasks = {artifact.pk for artifact in kept.values() if artifact.task_id and artifact.account in [owner.account for owner in owners]}
    tasks = Task.objects.filter(account__in=[owner.account for owner in owners])
    assert of_tasks == {clip["artifact_id"] for task in tasks for clip in task.clips}


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def told(task: Task) -> str:
    return f"{task.pk} {task.metadata} {task.model} {task.status} {task.stage} run {task.run} {task.attempts} {task.error} {task.warnings}"
