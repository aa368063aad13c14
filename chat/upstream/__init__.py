"""The providers' side of a chat call: one interface, a transport per dialect, one set of errors.

A transport turns an `UpstreamCall` into a provider's wire format and its answer back into an `Answer`, rebuilt from a whitelist: no
provider name, id, header or cost of theirs goes through. It makes one request and never retries; deciding what comes next is chat's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from catalog.snapshot import RouteInfo


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One request to a provider. `fields` is OpenAI's JSON without model and limit; `limit` is output tokens per choice."""

    route: RouteInfo
    fields: dict[str, Any]
    limit: int
    connect_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer.

    `choices` are OpenAI's, whitelisted. `usage` is what the provider itself counted, in OpenAI's names and not yet believed: a
    count it did not send is None or absent.
    """

    choices: list[dict[str, Any]]
    usage: dict[str, Any]


class Upstream(Protocol):
    """A transport. `complete` raises `chat.upstream.errors.UpstreamError` and nothing else that a provider can cause."""

    async def complete(self, call: UpstreamCall) -> Answer: ...
