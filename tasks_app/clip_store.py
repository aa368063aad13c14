"""Stands in for tasks_app/uploads/storing.py until that is there: a clip's bytes in storage, and their row."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import BinaryIO

from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from contract.ids import new_id
from tasks_app.models import Artifact, Task


class NotMediaError(Exception):
    """The bytes are no audio."""


def store(file: BinaryIO, *, account_id: int, kind: str, task: Task | None = None) -> Artifact:
    data = file.read()
    if not data:
        raise NotMediaError
    file.seek(0)
    name = default_storage.save(f"artifacts/{secrets.token_hex(20)}", File(file))
    return Artifact.objects.create(
        id=new_id("art"),
        account_id=account_id,
        kind=kind,
        task=task,
        media_type="audio",
        mime_type="audio/mpeg",
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        storage_name=name,
        expires_at=timezone.now() + timedelta(days=30),
    )


def remove(artifact: Artifact) -> bool:
    return bool(Artifact.objects.filter(pk=artifact.pk, removed_at=None).update(removed_at=timezone.now()))
