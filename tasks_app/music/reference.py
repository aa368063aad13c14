"""The audio that a music task goes by: an artifact, a URL, or bytes in the request.

    at creation            check     what can be told at once: the artifact, the bytes, where the URL leads
                           keep      the new task has it
    in stage preparing     prepare   the stored audio, fetched if it has to be, with its own check: names change, files are deleted

What is wrong at creation is an ApiError; what is wrong later a ReferenceFailed, which ends the task refunded. Both name the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from catalog.music_limits import REFERENCE_TYPES, ReferenceLimits
from contract.errors import FieldError
from contract.fetching import INTERNET, Network
from contract.limits import MIB
from tasks_app.ending import Failure
from tasks_app.models import Artifact, Task


class ReferenceFailed(Exception):
    """There is no audio to go by, and asking again can't help: the task is to end with `failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Audio(Protocol):
    """What limits are about. An Artifact is one."""

    @property
    def mime_type(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def duration_seconds(self) -> Decimal | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A reference that is good as far as can be told.

    `input` is what Task.input has under `reference_audio`. `audio` is None for a URL, of which nothing is known yet. Its bytes are there
    already in `artifact` or in `data`, which `keep` gives to the task.
    """

    param: str
    input: dict[str, Any]
    audio: Audio | None = None
    artifact: Artifact | None = None
    data: bytes | None = field(default=None, repr=False)

    def refusal(self, limits: ReferenceLimits) -> FieldError | None:
        """Why a model of these `limits` doesn't take it, as a row of `details.errors`."""
        words = unfit(self.audio, limits) if self.audio is not None else None
        return {"param": self.param, "message": words} if words is not None else None


def check(reference: Mapping[str, Any], *, account_id: int, network: Network = INTERNET) -> Checked:
    """`reference`, the request's valid `reference_audio`, as far as can be told at once; whether a model takes it says `refusal`.

    An artifact of the account that is audio and still stored; a data URI of such audio; an https URL that stands for public addresses
    alone. For a URL the resolver is asked, which takes up to 4 seconds: call it in a thread, outside of transactions, when the caller is
    known and can pay.

    Raises ApiError: not_found for an artifact that is not the account's or never was, else invalid_request, both with `param`.
    """
    raise NotImplementedError


def keep(checked: Checked, task: Task) -> None:
    """Give `task`, just made and in its transaction, the audio that is there already. A URL's is not."""
    raise NotImplementedError


def prepare(task: Task, *, network: Network = INTERNET) -> Artifact:
    """The stored audio that `task` goes by; Task.reference from now on.

    A URL is fetched, for up to 30 seconds and 100 MiB. Whoever comes after a worker that died goes on with what that one stored.
    Call it outside of transactions.

    Raises ReferenceFailed: it can't be had, or its model doesn't take it.
    """
    raise NotImplementedError


def unfit(audio: Audio, limits: ReferenceLimits) -> str | None:
    """Why `audio` is not taken within `limits`, as the rest of a sentence; None if it is."""
    if (not_audio := not_reference(audio)) is not None:
        return not_audio
    if audio.size_bytes > limits.most_bytes:
        return f"is larger than {limits.most_bytes // MIB} MiB"
    if audio.duration_seconds is None or not limits.seconds.holds(audio.duration_seconds):
        return _length(limits)
    return None


def not_reference(audio: Audio) -> str | None:
    """Why `audio` is no reference for any model, as `unfit`."""
    if audio.mime_type not in REFERENCE_TYPES:
        *others, last = REFERENCE_TYPES.values()
        return f"must be {', '.join(others)} or {last} audio"
    return None


def _length(limits: ReferenceLimits) -> str:
    if limits.seconds.minimum:
        return f"must be {limits.seconds.minimum} to {limits.seconds.maximum} seconds long"
    return f"must be at most {limits.seconds.maximum} seconds long"
