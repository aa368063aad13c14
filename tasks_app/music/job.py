"""A task of music in the words of its provider."""

from __future__ import annotations

import logging
import shutil
from tempfile import TemporaryFile
from typing import BinaryIO

from django.conf import settings
from django.core.files.storage import default_storage

from catalog.music_limits import FAMILIES
from catalog.music_models import MusicRoute
from tasks_app.models import Artifact, Task
from tasks_app.music import nudges
from tasks_app.music.provider import Job, Reference, Unavailable
from tasks_app.uploads.serve import link

logger = logging.getLogger(__name__)


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
        open=lambda: _copy(artifact.storage_name),
    )


def _copy(storage_name: str) -> BinaryIO:
    """The stored bytes, in a file that is gone when it is closed. Raises Unavailable, unsent, where the storage does not give them: once
    they are here no failure of the storage can look like one of the provider's."""
    file: BinaryIO = TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115
    try:
        with default_storage.open(storage_name) as stored:
            shutil.copyfileobj(stored, file)
        file.seek(0)
    except Exception as error:  # of any storage
        file.close()
        logger.warning("a reference was not read: %s", type(error).__name__)
        raise Unavailable("model_unavailable", "The reference audio can't be read at the moment.", sent=False, counts=False) from None
    except BaseException:
        file.close()
        raise
    return file
