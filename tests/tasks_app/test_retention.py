"""Files go when their time is up, when nobody gets them, and when something broke off; and nothing else does."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from tasks_app import ending
from tasks_app.ending import Failure
from tasks_app.models import Artifact, Leftover, Task
from tasks_app.uploads import storing
from tasks_app.uploads.retention import _UNSETTLED, retain_files
from tests.factories import WalletFactory
from tests.tasks_app import media_files as files
from tests.tasks_app.paid_task import paid_task

pytestmark = pytest.mark.usefixtures("committed")


def stored(task: Task | None = None, *, kind: str = "upload", **fields) -> Artifact:
    account_id = task.account_id if task else WalletFactory().account_id
    artifact = storing.store(io.BytesIO(files.wav()), account_id=account_id, kind=kind, task=task)
    Artifact.objects.filter(pk=artifact.pk).update(**fields)
    return artifact


def is_kept(artifact: Artifact) -> bool:
    artifact.refresh_from_db()
    there = default_storage.exists(artifact.storage_name)
    assert there == (artifact.removed_at is None), "a row without bytes, or bytes without a row"
    assert not Leftover.objects.filter(storage_name=artifact.storage_name).exists()
    return there


def test_a_file_goes_when_its_time_is_up():
    expired, fresh = stored(expires_at=timezone.now()), stored()
    retain_files()
    assert not is_kept(expired)
    assert is_kept(fresh)
    retain_files()
    assert not is_kept(expired)


def running(**fields) -> Task:
    now = timezone.now()
    return paid_task(status="running", started_at=now, deadline_at=now + timedelta(minutes=15), **fields)


def clip_of(artifact: Artifact) -> dict[str, str | None]:
    return {"title": None, "lyrics": None, "tags": None, "artifact_id": artifact.pk}


def test_of_a_task_that_succeeded_its_clips_stay_alone():
    task = running()
    clip, spare, reference = stored(task, kind="output"), stored(task, kind="output"), stored(task, kind="reference")
    retain_files()
    assert all(is_kept(artifact) for artifact in (clip, spare, reference)), "the task still runs"
    assert ending.succeed(task.pk, run=task.run, clips=[clip_of(clip)])
    retain_files()
    assert [is_kept(artifact) for artifact in (clip, spare, reference)] == [True, False, False]


@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_of_a_task_that_came_to_nothing_nothing_stays(end: str):
    task = running()
    made = [stored(task, kind="output"), stored(task, kind="reference")]
    if end == "failed":
        ending.fail(task.pk, Failure("upstream_error", "It failed.", retryable=True))
    else:
        ending.cancel(task.pk)
    late = stored(task, kind="output")
    retain_files()
    assert not any(is_kept(artifact) for artifact in (*made, late))


def test_an_upload_that_a_task_went_by_stays():
    task = running()
    upload = storing.store(io.BytesIO(files.wav()), account_id=task.account_id, kind="upload")
    Task.objects.filter(pk=task.pk).update(reference=upload)
    ending.cancel(task.pk)
    retain_files()
    assert is_kept(upload)


def test_what_was_decided_is_not_looked_at_again():
    task = running()
    clip, under_way = stored(task, kind="output"), stored(running(), kind="reference")
    assert ending.succeed(task.pk, run=task.run, clips=[clip_of(clip)])
    upload = stored()
    retain_files()
    mine = Artifact.objects.filter(pk__in=[clip.pk, under_way.pk, upload.pk])
    assert [one.pk for one in mine.filter(unsettled=True)] == [under_way.pk]


def test_it_reads_no_more_than_what_is_undecided():
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("set local enable_seqscan = off")
        cursor.execute(f"explain {_UNSETTLED}", {"batch": 1})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "artifact_unsettled" in plan, plan
    assert "Seq Scan" not in plan, plan


def test_an_upload_that_is_deleted_is_kept_for_the_tasks_that_go_by_it():
    task = running()
    upload = storing.store(io.BytesIO(files.wav()), account_id=task.account_id, kind="upload")
    Task.objects.filter(pk=task.pk).update(reference=upload)
    assert storing.remove(upload)
    assert not Artifact.objects.stored().filter(pk=upload.pk).exists()
    for _ in range(2):
        Leftover.objects.filter(storage_name=upload.storage_name).update(due_at=timezone.now())
        retain_files()
        assert default_storage.exists(upload.storage_name), "its provider may still have to read it"
    ending.cancel(task.pk)
    retain_files()
    assert not is_kept(upload)


def left(name: str, *, due_in: timedelta, condemned: bool = False) -> str:
    default_storage.save(name, ContentFile(b"x"))
    Leftover.objects.create(storage_name=name, due_at=timezone.now() + due_in, condemned=condemned)
    return name


def test_bytes_of_a_process_that_died_before_their_row_go():
    dead, alive = left("artifacts/test/dead", due_in=timedelta(0)), left("artifacts/test/alive", due_in=timedelta(minutes=1))
    retain_files()
    assert not default_storage.exists(dead)
    assert default_storage.exists(alive), "its process may still be at it"
    Leftover.objects.filter(storage_name=alive).update(due_at=timezone.now())
    retain_files()
    assert not default_storage.exists(alive)
    assert not Leftover.objects.filter(storage_name__in=[dead, alive]).exists()


def test_what_the_storage_refuses_is_tried_again_and_holds_nothing_up():
    stuck = left("artifacts/test/stuck/in-the-way", due_in=timedelta(days=1))
    folder = "artifacts/test/stuck"  # with a file in it, it can't be deleted
    Leftover.objects.create(storage_name=folder, due_at=timezone.now() - timedelta(hours=1), condemned=True)
    expired = stored(expires_at=timezone.now())
    retain_files()
    assert not is_kept(expired)
    assert Leftover.objects.get(storage_name=folder).due_at > timezone.now()
    storing.erase(stuck)
    default_storage.delete(stuck)
    Leftover.objects.filter(storage_name=stuck).delete()
    Leftover.objects.filter(storage_name=folder).update(due_at=timezone.now())
    retain_files()
    assert not Leftover.objects.filter(storage_name=folder).exists()
    assert not default_storage.exists(folder)


def test_there_may_be_more_than_a_batch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tasks_app.uploads.retention.BATCH", 2)
    expired = [stored(expires_at=timezone.now()) for _ in range(5)]
    retain_files()
    assert not any(is_kept(artifact) for artifact in expired)
