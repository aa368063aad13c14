"""What a provider of music is asked, and what it answers: the interface that its adapters share.

    submit    starts the work; Submitted, or Made by a provider whose call lasts until the music is there (`blocking`)
    poll      how a submitted work stands: Working or Made
    fetch     the bytes of a clip, into a file

    ProviderError          the provider's word, or its silence, as beatra has it
    ├── Refused            asking again can't help: the content, a parameter, its length
    ├── Unavailable        asking again later, or elsewhere, may help: overloaded, unreachable, 5xx, garbage
    │   └── WorkFailed     of `poll`: the submitted work itself has failed there; it may be submitted anew
    └── Misconfigured      our credentials, our balance there: staff must look; another route may help

None of their texts holds a word of the provider's. Adapters know nothing of tasks, money or the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Audio to go by. `url` is one under which the provider may fetch it for an hour, `open` gives its bytes, or raises Unavailable."""

    url: str
    mime_type: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be made, within the limits of its model (catalog/music_limits.py).

    `options` are those of the family alone: `{"custom_mode": True}`. `callback_url` is where a provider may say that the work moved on
    (tasks_app/music/nudges.py); it is believed no more than that.
    """

    prompt: str
    lyrics: str = ""
    title: str = ""
    instrumental: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    reference: Reference | None = None
    callback_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeClip:
    """One clip of the provider's. Either `url` says where its bytes are, or `audio` has them."""

    title: str = ""
    lyrics: str = ""
    tags: str = ""
    url: str = ""
    audio: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Submitted:
    """Taken on, under this name of the provider's."""

    provider_task_id: str


@dataclass(frozen=True, slots=True)
class Working:
    """Not ready yet. `percent` is our guess of how far it is, 0 to 99."""

    percent: int


@dataclass(frozen=True, slots=True)
class Made:
    """Ready: at least one clip."""

    clips: tuple[MadeClip, ...]


class ProviderError(Exception):
    """`code` is one of contract/errors.py, `message` for the customer. `sent`: whether the provider may have begun to work, and bill."""

    def __init__(self, code: str, message: str, *, sent: bool, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.sent = sent
        self.param = param


class Refused(ProviderError):
    """safety_rejected, invalid_request or payload_too_large."""


class Unavailable(ProviderError):
    """upstream_error, upstream_timeout or model_unavailable. `counts`: whether it counts towards the route's breaker."""

    def __init__(self, code: str, message: str, *, sent: bool, counts: bool = True) -> None:
        super().__init__(code, message, sent=sent)
        self.counts = counts


class WorkFailed(Unavailable):
    """Of `poll`: the work is over and there is no music. Any other Unavailable of `poll` leaves it going on, to be asked about again."""


class Misconfigured(ProviderError):
    """upstream_error: ours to mend. `what` is for the log: "credentials", "balance", "plan" or "address"."""

    def __init__(self, what: str) -> None:
        super().__init__("upstream_error", "The provider could not be used.", sent=False)
        self.what = what


class Provider(Protocol):
    """One provider at one address, with one credential."""

    blocking: bool
    """Whether `submit` lasts until the music is there, for minutes, and can't be resumed."""

    def submit(self, job: Job) -> Submitted | Made: ...

    def poll(self, provider_task_id: str) -> Working | Made: ...

    def fetch(self, clip: MadeClip, file: BinaryIO) -> None: ...
