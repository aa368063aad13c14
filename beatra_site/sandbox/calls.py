"""What the provider saw and did: one record a call, for tests to compare with what the gateway charged."""

import itertools
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson

# Calls kept, and the longest body kept whole: a soak must not fill the memory
KEPT_CALLS = 50_000
KEPT_BODY_BYTES = 256 * 1024


@dataclass
class Call:
    """One call to a provider, from its first byte to its end. Times are seconds of the Unix clock."""

    number: int
    path: str
    headers: dict[str, str]
    arrived_at: float = field(default_factory=time.time)
    marker: str | None = None
    model: str | None = None
    key: str | None = None
    stream: bool = False
    body: Any = None
    body_bytes: int = 0
    fault: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    # open, complete (the whole answer handed over), refused (an error status), cut (a fault ended it), left (the client hung up)
    outcome: str = "open"
    # Output chunks and tokens handed to the connection
    chunks_sent: int = 0
    tokens_sent: int = 0
    true_usage: dict[str, Any] | None = None
    reported_usage: Any = None
    usage_sent: bool = False
    ended_at: float | None = None

    def keep_body(self, body: bytes) -> None:
        """Keeps the body as JSON, or as text where it is none; a very long one only by its length."""
        if len(body) <= KEPT_BODY_BYTES:
            try:
                self.body = orjson.loads(body)
            except orjson.JSONDecodeError:
                self.body = body.decode("utf-8", "replace")

    @property
    def client_left(self) -> bool:
        return self.outcome == "left"

    def as_json(self, *, bodies: bool) -> dict[str, Any]:
        return {
            "number": self.number,
            "path": self.path,
            "arrived_at": self.arrived_at,
            "ended_at": self.ended_at,
            "marker": self.marker,
            "model": self.model,
            "key": self.key,
            "stream": self.stream,
            "headers": self.headers,
            **({"body": self.body} if bodies else {}),
            "body_bytes": self.body_bytes,
            "fault": self.fault,
            "status": self.status,
            "outcome": self.outcome,
            "client_left": self.client_left,
            "chunks_sent": self.chunks_sent,
            "tokens_sent": self.tokens_sent,
            "true_usage": self.true_usage,
            "reported_usage": self.reported_usage,
            "usage_sent": self.usage_sent,
        }


class Calls:
    """The newest calls, in order of arrival."""

    def __init__(self, *, kept: int) -> None:
        self._numbers = itertools.count(1)
        self._calls: deque[Call] = deque(maxlen=kept)

    def open(self, *, path: str, headers: dict[str, str]) -> Call:
        """The record of a call that has just arrived."""
        call = Call(number=next(self._numbers), path=path, headers=headers)
        self._calls.append(call)
        return call

    def matching(self, **conditions: str) -> list[Call]:
        """The calls whose marker, model, key or outcome are the given ones."""
        return [call for call in self._calls if all(getattr(call, name) == value for name, value in conditions.items())]

    def clear(self) -> None:
        self._calls.clear()
