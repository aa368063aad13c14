"""What a provider has made becomes the customer's: each clip's bytes are stored, then the task succeeds.

Task.made is committed first, so that a worker that comes after one that died goes on saving. Of each clip it has `{"title", "lyrics",
"tags"}` and how it stands: `{"url", "tries"?}` at the provider, `{"artifact_id"}` stored, `{"lost": true}` given up. What a
worker stores that dies, or has lost the task, before it has written it there is in no clip, and goes once the task has ended
(tasks_app/uploads/retention.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from itertools import chain, repeat
from typing import Any, BinaryIO, Final

from django.db import Error as DatabaseError

from catalog.music_limits import FAMILIES
from tasks_app import ending
from tasks_app.engine import attempts, progress, trying
from tasks_app.engine.claims import Claim
from tasks_app.engine.costs import cost_usd
from tasks_app.engine.kept_call import keep, kept_call
from tasks_app.models import Artifact, ArtifactKind, Stage, Task
from tasks_app.music.provider import Made, MadeClip, Misconfigured, Provider, ProviderError, Unavailable
from tasks_app.music.providers import provider_of
from tasks_app.uploads import storing
from tasks_app.uploads.nameless import nameless
from tasks_app.uploads.sniff import NotMediaError

logger = logging.getLogger(__name__)

MOST_TRIES: Final = 5
"""To save one clip."""
STORAGE_PAUSES: Final = (1.0, 4.0, 15.0)
"""Seconds between tries to store bytes that can't be fetched again; the last is repeated until the deadline."""
STORAGE_SECONDS: Final = 15.0
"""Until bytes that can be are fetched again for a storage that was away."""
CLIP_MISSING: Final = "clip_missing"


def delivered(claim: Claim, made: Made) -> float:
    """The try at hand was answered; seconds until the next step. Bytes that came with it are stored now. Raises Canceled, ClaimLost."""
    task = claim.task
    clips = [_noted(claim, clip) for clip in made.clips]
    claim.write(
        made=clips,
        stage=Stage.SAVING,
        message="Saving the music.",
        percent=max(task.percent, progress.SAVING),
        attempts=attempts.ended(task, attempts.ANSWERED, now=claim.now()),
        due_in=0,
    )
    return 0


def save(claim: Claim) -> float | None:
    """Store what is still at the provider, then end the task; seconds until the next try. Raises TaskFailed, Canceled, ClaimLost."""
    task = claim.task
    for number, clip in enumerate(task.made):
        if "artifact_id" not in clip and not clip.get("lost"):
            try:
                now = _saved(claim, clip)
            except storing.StorageAwayError:  # no fault of the clip's: it counts no try
                pause = trying.jittered(STORAGE_SECONDS)
                claim.write(due_in=pause)
                return pause
            percent = max(task.percent, progress.of_saved(number + 1))
            claim.write(made=[*task.made[:number], now, *task.made[number + 1 :]], percent=percent)
            if "url" in now and not now.get("lost"):
                pause = trying.jittered(2.0 ** now["tries"])
                claim.write(due_in=pause)
                return pause
    _end(claim)
    return None


def _end(claim: Claim) -> None:
    task = claim.task
    saved = [clip for clip in task.made if "artifact_id" in clip]
    if not saved:
        raise trying.TaskFailed(trying.FAILED)
    expected = max(_expected(task), len(task.made))
    if len(saved) < expected:
        words = f"{expected - len(saved)} of {expected} clips could not be saved."
        missing = {"code": CLIP_MISSING, "message": words, "field": None}
        claim.write(warnings=[*(one for one in task.warnings if one["code"] != CLIP_MISSING), missing])
    clips = [{name: clip[name] for name in ("title", "lyrics", "tags", "artifact_id")} for clip in saved]
    ending.succeed(task.pk, run=task.run, clips=clips, cost_usd=cost_usd(task))


def _expected(task: Task) -> int:
    return FAMILIES[task.route.transport].clips if task.route is not None else 0


def _noted(claim: Claim, clip: MadeClip) -> dict[str, Any]:
    given = claim.task.input
    noted: dict[str, Any] = {
        "title": given.get("title") or clip.title,
        # Suno says "[Instrumental]" where nobody sings
        "lyrics": "" if given.get("instrumental") else clip.lyrics or given.get("lyrics", ""),
        "tags": clip.tags,
    }
    if not clip.audio:
        return {**noted, "url": clip.url}
    artifact_id = _kept(claim, clip.audio, title=noted["title"])
    return {**noted, "artifact_id": artifact_id} if artifact_id is not None else {**noted, "lost": True}


def _kept(claim: Claim, audio: bytes, *, title: str) -> str | None:
    """The id of the artifact that the bytes became, which are here alone: a storage that is away is waited for. None: they are no audio,
    or the deadline is over. Raises Canceled, ClaimLost."""
    task = claim.task
    assert task.deadline_at is not None
    for pause in chain(STORAGE_PAUSES, repeat(STORAGE_PAUSES[-1])):
        try:
            return _stored(claim, lambda: BytesIO(audio), title=title)
        except NotMediaError:
            logger.warning("a clip is no audio", extra={"usage_id": task.pk})
            return None
        except (storing.StorageAwayError, DatabaseError, OSError) as error:
            logger.warning("a clip waits for the storage: %s", type(error).__name__, extra={"usage_id": task.pk})
        if claim.now() >= task.deadline_at:
            return None
        kept_call(claim, partial(time.sleep, pause))
        keep(claim)
    raise AssertionError("unreachable")


def _saved(claim: Claim, clip: dict[str, Any]) -> dict[str, Any]:
    """The clip as it stands after a try to save it."""
    route = trying.route_of(claim.task)
    tries = clip.get("tries", 0) + 1
    try:
        if route is None:
            raise Misconfigured("it is gone")
        provider = provider_of(route)
        artifact_id = _stored(claim, lambda: _fetched(provider, clip), title=clip["title"])
    except (ProviderError, NotMediaError, OSError) as error:
        logger.warning("a clip was not saved: %s", type(error).__name__, extra={"usage_id": claim.task.pk, "tries": tries})
        passing = isinstance(error, Unavailable | Misconfigured | OSError)
        return {**clip, "tries": tries, **({} if passing and tries < MOST_TRIES else {"lost": True})}
    return {**{name: clip[name] for name in ("title", "lyrics", "tags")}, "artifact_id": artifact_id}


def _stored(claim: Claim, open_: Callable[[], BinaryIO], *, title: str) -> str:
    """The id of the artifact that the file became, which is saved by its title. Raises what `open_` and storing.store do, Canceled,
    ClaimLost."""
    task = claim.task

    def store() -> Artifact:
        with open_() as file:
            return storing.store(file, account_id=task.account_id, kind=ArtifactKind.OUTPUT, task=task, filename=title)

    return kept_call(claim, store).pk


def _fetched(provider: Provider, clip: dict[str, Any]) -> BinaryIO:
    """The clip's bytes, in a file that is gone when it is closed. Raises ProviderError: they don't come, or are too many."""
    file = nameless()
    try:
        provider.fetch(MadeClip(url=clip["url"]), file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
