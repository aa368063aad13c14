"""The audio that a music task goes by: an artifact, a URL, or bytes in the request.

    at creation            check     what can be told at once: the artifact, the bytes, where the URL leads
                           placed    around the creating transaction: the new task gets what is there already
    in stage preparing     prepare   the stored audio, fetched if it has to be, and checked again: names change, files are deleted

What is wrong at creation is an ApiError; what is wrong later a ReferenceFailed, which ends the task refunded. Both name the field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from io import BytesIO
from typing import Any, Self

from catalog.models import Route
from catalog.music_limits import DATA_URI_BYTES, FAMILIES, REFERENCE_TYPES, ReferenceLimits
from contract import fetching
from contract.errors import ApiError, FieldError
from contract.fetching import INTERNET, FetchError, Network
from contract.invalid import invalid_fields, sentence
from contract.limits import MIB
from contract.returned_connections import give_back
from tasks_app.ending import Failure
from tasks_app.models import Artifact, ArtifactKind, Task
from tasks_app.uploads import storing
from tasks_app.uploads.data_uri import bytes_of
from tasks_app.uploads.fetch import fetched
from tasks_app.uploads.sniff import NotMediaError

ARTIFACT, URL, DATA = (f"/reference_audio/{name}" for name in ("artifact_id", "url", "data"))

*_OTHERS, _LAST = REFERENCE_TYPES.values()
_NO_REFERENCE = f"must be {', '.join(_OTHERS)} or {_LAST} audio"


class ReferenceFailed(Exception):
    """There is no audio to go by, and asking again can't help: the task is to end with `failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Audio:
    """What limits are about."""

    mime_type: str
    size_bytes: int
    duration_seconds: Decimal | None

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        return cls(artifact.mime_type, artifact.size_bytes, artifact.duration_seconds)

    @classmethod
    def in_content(cls, content: storing.Content) -> Self:
        return cls(content.sniffed.mime_type, content.size_bytes, content.sniffed.duration_seconds)

    def refusal(self, limits: ReferenceLimits | None = None) -> str | None:
        """Why it is not taken within `limits`, or by any model at all, as the rest of a sentence about it. None: it is."""
        if self.mime_type not in REFERENCE_TYPES:
            return _NO_REFERENCE
        if limits is None:
            return None
        if self.size_bytes > limits.most_bytes:
            return f"is larger than {limits.most_bytes // MIB} MiB"
        if self.duration_seconds is None or not limits.seconds.holds(self.duration_seconds):
            shortest = f"{limits.seconds.minimum} to" if limits.seconds.minimum else "at most"
            return f"must be {shortest} {limits.seconds.maximum} seconds long"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A reference that is good as far as can be told.

    `input` is what Task.input has under `reference_audio`. `audio` is None for a URL, of which nothing is known yet. The bytes are there
    already in `artifact` or in `data`, whose `content` was read off it: `placed` gives them to the task.
    """

    param: str
    input: dict[str, Any]
    audio: Audio | None = None
    artifact: Artifact | None = None
    data: bytes = field(default=b"", repr=False)
    content: storing.Content | None = None

    def refusal(self, limits: ReferenceLimits) -> FieldError | None:
        """Why a model of these `limits` doesn't take it, as a row of `details.errors`."""
        words = self.audio.refusal(limits) if self.audio is not None else None
        return {"param": self.param, "message": words} if words is not None else None


def check(reference: Mapping[str, Any], *, account_id: int, network: Network = INTERNET) -> Checked:
    """`reference`, the request's valid `reference_audio`, as far as can be told at once; whether a model takes it says `refusal`.

    An artifact of the account that is FLAC, MP3 or WAV and still stored; a data URI of such audio; an https URL that stands for public
    addresses alone. For a URL the resolver is asked, which takes up to 4 seconds: call it in a thread, outside of transactions, when the
    caller is known and can pay.

    Raises ApiError: not_found for an artifact that is not the account's or never was, else invalid_request, both with `param`.
    """
    match reference["type"]:
        case "artifact":
            return _checked_artifact(reference["artifact_id"], account_id)
        case "url":
            return _checked_url(reference["url"], account_id, network)
        case _:
            return _checked_data(reference["data"])


def _checked_artifact(artifact_id: str, account_id: int) -> Checked:
    # What was fetched for another task has an id that nobody was told
    artifact = Artifact.objects.of_account(account_id).exclude(kind=ArtifactKind.REFERENCE).filter(pk=artifact_id).first()
    if artifact is None:
        raise ApiError("not_found", f"{ARTIFACT} names no artifact of this account.", param=ARTIFACT)
    audio = Audio.of(artifact)
    if (words := _unusable(artifact)) is not None:
        raise invalid_fields([{"param": ARTIFACT, "message": words}])
    return Checked(param=ARTIFACT, input={"type": "artifact", "artifact_id": artifact.pk}, audio=audio, artifact=artifact)


def _checked_url(url: str, account_id: int, network: Network) -> Checked:
    give_back()  # a name whose servers are slow keeps nobody from the database
    try:
        fetching.check(url, whose=account_id, network=network)
    except FetchError as error:
        raise invalid_fields([{"param": URL, "message": str(error)}]) from None
    return Checked(param=URL, input={"type": "url", "url": url})


def _checked_data(uri: str) -> Checked:
    try:
        data = bytes_of(uri, most_bytes=DATA_URI_BYTES)
    except ValueError as error:
        raise invalid_fields([{"param": DATA, "message": str(error)}]) from None
    try:
        content = storing.examine(BytesIO(data))
    except NotMediaError:
        raise invalid_fields([{"param": DATA, "message": _NO_REFERENCE}]) from None
    audio = Audio.in_content(content)
    if (words := audio.refusal()) is not None:
        raise invalid_fields([{"param": DATA, "message": words}])
    return Checked(param=DATA, input={"type": "data_uri"}, audio=audio, data=data, content=content)


@contextmanager
def placed(checked: Checked) -> Iterator[Callable[[Task], None]]:
    """Around the transaction that creates the task. What it gives is to be called in there with the new task, which then has the audio
    that is there already; a URL's is fetched later. If the block fails nothing is kept."""
    if checked.content is None:
        yield lambda task: _set(task, checked.artifact)
        return
    content = checked.content
    with storing.placed(BytesIO(checked.data)) as name:
        yield lambda task: _set(
            task, storing.record(content, name, account_id=task.account_id, kind=ArtifactKind.REFERENCE, task=task, metadata={})
        )


def _set(task: Task, artifact: Artifact | None) -> None:
    if artifact is not None:
        task.reference = artifact
        task.save(update_fields=["reference"])


def prepare(task: Task, *, network: Network = INTERNET) -> Artifact:
    """The stored audio that `task` goes by; Task.reference from now on.

    A URL is fetched, for up to 30 seconds and 100 MiB; whatever goes wrong there is final, as nobody knows whether it would go better
    later. Whoever comes after a worker that died goes on with what that one stored. Call it outside of transactions.

    Raises ReferenceFailed: it can't be had, or its model doesn't take it. What our own storage and database raise goes through: that may
    be better the next time.
    """
    limits = _limits_of(task)
    reference = task.reference or _adopted(task, _stored_before(task) or _fetched(task, limits, network))
    param = {"artifact": ARTIFACT, "url": URL}.get(task.input["reference_audio"]["type"], DATA)
    if (words := _unusable(reference, limits)) is not None:
        raise _failed(param, words)
    return reference


def _limits_of(task: Task) -> ReferenceLimits:
    transport = Route.objects.filter(model=task.model, transport__in=FAMILIES).values_list("transport", flat=True).first()
    if transport is None:
        raise ReferenceFailed(Failure("model_unavailable", "The model is not offered any more.", retryable=False))
    return FAMILIES[transport].reference


def _stored_before(task: Task) -> Artifact | None:
    return task.artifacts.filter(kind=ArtifactKind.REFERENCE).stored().order_by("created_at", "pk").first()


def _fetched(task: Task, limits: ReferenceLimits, network: Network) -> Artifact:
    def accepts(content: storing.Content) -> None:
        if (words := Audio.in_content(content).refusal(limits)) is not None:
            raise _failed(URL, words)

    try:
        return fetched(task.input["reference_audio"]["url"], task, most_bytes=limits.most_bytes, accepts=accepts, network=network)
    except FetchError as error:
        raise _failed(URL, str(error)) from None
    except NotMediaError:
        raise _failed(URL, _NO_REFERENCE) from None


def _adopted(task: Task, artifact: Artifact) -> Artifact:
    """`artifact` as the reference, unless another worker, after whose claim ours ran out, was first: then its own, and ours goes."""
    if not Task.objects.filter(pk=task.pk, reference=None).update(reference=artifact):
        first = Artifact.objects.get(used_by=task)
        if first != artifact:
            storing.remove(artifact)
        artifact = first
    task.reference = artifact
    return artifact


def _unusable(artifact: Artifact, limits: ReferenceLimits | None = None) -> str | None:
    if not artifact.is_stored:
        return "is not stored any more: it has expired or was deleted"
    return Audio.of(artifact).refusal(limits)


def _failed(param: str, words: str) -> ReferenceFailed:
    return ReferenceFailed(Failure("invalid_request", sentence([{"param": param, "message": words}]), retryable=False, param=param))
