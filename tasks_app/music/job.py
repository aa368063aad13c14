"""A task of music in the words of its provider."""

from __future__ import annotations

from typing import BinaryIO, cast

from django.core.files.storage import default_storage

from catalog.music_limits import FAMILIES
from catalog.music_models import MusicRoute
from tasks_app.models import Artifact, Task
from tasks_app.music import nudges
from tasks_app.music.provider import Job, Reference
from tasks_app.uploads.serve import link


def job(task: Task, route: MusicRoute) -> Job:
    """What `task` asks of `route`. Its reference, if it has one, is stored by now."""
    given = task.input
    return Job(
        prompt=given.get("prompt", ""),
        lyrics=given.get("lyrics", ""),
        title=given.get("title", ""),
        instrumental=given.get("instrumental", False),
        options=(given.get("model_options") or {}).get(FAMILIES[route.transport].options_name) or {},
        reference=_reference(task.reference) if task.reference else None,
        callback_url=nudges.address(task.pk),
    )


def _reference(artifact: Artifact) -> Reference:
    return Reference(
        url=link(artifact),
        mime_type=artifact.mime_type,
        size_bytes=artifact.size_bytes,
        duration_seconds=float(artifact.duration_seconds or 0),
        open=lambda: cast(BinaryIO, default_storage.open(artifact.storage_name)),
        filename=artifact.filename,
    )
