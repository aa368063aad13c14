"""Keeping files: their bytes in Django's default storage, under a random name, and a row for each.

    store(file, ...)              all of it at once: what a task fetched or made
    examine(file)                 what it is, its length and digest
    placed(file) as name          its bytes are in storage, and go again unless the block records them
    record(content, name, ...)    the row, in the caller's transaction
    remove(artifact)              the row says so, and its bytes go after the commit, or after the tasks that go by it

There is never a row without bytes, and no bytes are forgotten: what a row does not keep stands in `Leftover`, written before the bytes
are placed and with the removal of a row, and is tried again by retention until it is gone.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO, Final

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import Error as DatabaseError
from django.db import transaction
from django.utils import timezone

from contract.errors import ApiError
from contract.ids import new_id
from contract.returned_connections import give_back
from tasks_app.models import Artifact, ArtifactKind, Leftover, Task
from tasks_app.uploads.filename import shown
from tasks_app.uploads.sniff import Sniffed, sniff

logger = logging.getLogger(__name__)

PLACING: Final = timedelta(hours=1)
"""Longer than bytes take into storage and their row into the database: what is still a leftover then belongs to a process that died."""

AGAIN: Final = timedelta(minutes=10)
"""How long after a failed removal another try is made."""


class StorageAwayError(ApiError):
    """The storage does not take the bytes now. Nothing is kept; it may go better later."""

    def __init__(self) -> None:
        super().__init__("service_unavailable", "Files can't be stored at the moment.")


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is by its bytes."""

    sniffed: Sniffed
    size_bytes: int
    sha256: str


def store(
    file: BinaryIO,
    *,
    account_id: int,
    kind: str,
    task: Task | None = None,
    purpose: str = "",
    filename: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> Artifact:
    """Keep `file`, which is read from its start. To be called outside of transactions: it waits for the storage.

    Raises NotMediaError, StorageAwayError, and what the database raises; then nothing is kept.
    """
    content = examine(file)
    with placed(file) as name, transaction.atomic():
        return record(
            content, name, account_id=account_id, kind=kind, task=task, purpose=purpose, filename=filename, metadata=metadata or {}
        )


def examine(file: BinaryIO) -> Content:
    """Read `file` through. Raises NotMediaError."""
    sniffed = sniff(file)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return Content(sniffed, size, hashlib.file_digest(file, "sha256").hexdigest())  # type: ignore[arg-type]  # it reads only


@contextmanager
def placed(file: BinaryIO) -> Iterator[str]:
    """Put the bytes of `file` into storage under the name the block gets. They go at its end unless it has recorded them, for good.

    Raises StorageAwayError.
    """
    name = f"artifacts/{timezone.now():%Y-%m}/{secrets.token_hex(20)}"
    Leftover.objects.create(storage_name=name, due_at=timezone.now() + PLACING)
    give_back()  # the storage may take its time
    try:
        _put(file, name)
        yield name
    finally:
        # Also after a commit whose answer was lost, and which may be done: then there is nothing to drop
        _drop(name)


def record(
    content: Content,
    name: str,
    *,
    account_id: int,
    kind: str,
    task: Task | None = None,
    purpose: str = "",
    filename: str = "",
    metadata: Mapping[str, Any],
) -> Artifact:
    """The row that keeps the bytes placed under `name`, for ARTIFACT_DAYS. In the caller's transaction."""
    if not Leftover.objects.filter(storage_name=name, condemned=False).delete()[0]:
        raise RuntimeError("the bytes took too long into storage, and are being removed")
    now = timezone.now()
    return Artifact.objects.create(
        id=new_id("art"),
        account_id=account_id,
        kind=kind,
        task=task,
        purpose=purpose,
        media_type=content.sniffed.media_type,
        mime_type=content.sniffed.mime_type,
        size_bytes=content.size_bytes,
        sha256=content.sha256,
        duration_seconds=content.sniffed.duration_seconds,
        filename=shown(filename),
        metadata=dict(metadata),
        storage_name=name,
        unsettled=kind != ArtifactKind.UPLOAD,
        created_at=now,
        expires_at=now + timedelta(days=settings.ARTIFACT_DAYS),
    )


def remove(artifact: Artifact) -> bool:
    """Remove `artifact` for good: its bytes go once the transaction is committed, or when the tasks have ended that go by it, by
    retention. False: another one has removed it before."""
    with transaction.atomic():
        now = timezone.now()
        if not Artifact.objects.filter(pk=artifact.pk, removed_at=None).update(removed_at=now):
            return False
        artifact.removed_at = now
        Leftover.objects.create(storage_name=artifact.storage_name, condemned=True, due_at=now + AGAIN)
        if not Artifact.objects.read_by_tasks().filter(pk=artifact.pk).exists():
            transaction.on_commit(lambda: erase(artifact.storage_name))
    return True


def erase(name: str) -> None:
    """Delete what was condemned under `name`. Where that fails, retention tries again."""
    try:
        default_storage.delete(name)
        Leftover.objects.filter(storage_name=name, condemned=True).delete()
    except Exception as error:  # of any storage
        logger.warning("a file was not removed from storage, and is tried again: %s", type(error).__name__)


def _put(file: BinaryIO, name: str) -> None:
    file.seek(0)
    give_back()  # a storage that is slow keeps nobody from the database
    try:
        given = default_storage.save(name, File(file))
    except Exception as error:  # of any storage
        logger.error("the storage takes no file: %s", type(error).__name__)
        raise StorageAwayError from error
    if given != name:
        default_storage.delete(given)
        raise RuntimeError("the storage has chosen a name of its own")


def _drop(name: str) -> None:
    try:
        condemned = Leftover.objects.filter(storage_name=name, condemned=False).update(condemned=True)
    except DatabaseError as error:
        logger.warning("a file without a row is left to retention: %s", type(error).__name__)
        return
    if condemned:
        erase(name)
