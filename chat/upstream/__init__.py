"""The providers' side of a chat call: one interface, a transport per dialect, one set of errors.

A transport turns an `UpstreamCall` into a provider's wire format and its answer back into an `Answer`, rebuilt from a whitelist: no
provider name, id, header or cost of theirs goes through. It makes one request and never retries; deciding what comes next is chat's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from catalog.snapshot import RouteInfo

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""The longest answer that is taken in: what a model says is a hundredth of it, and the most log probabilities that may be asked for, as
wordy as JSON can be, fit in (`chat.probabilities`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamCall:
    """One request to a provider. `fields` is OpenAI's JSON without model and limit; `limit` is output tokens per choice.

    `options` are the model's own (`model_options`), checked against its catalog entry. `end_user` and `cache_key` stand for what the
    caller named as `user` and `prompt_cache_key`: digests, sent where a provider has a field for them. A transport keeps to
    `connect_seconds` itself; `total_seconds` is chat's, and given for libraries that want a limit of their own. It calls `on_sent` before
    anything of the request goes to the provider: one who was only being connected to has nothing to bill.
    """

    route: RouteInfo
    fields: dict[str, Any]
    limit: int
    connect_seconds: float
    total_seconds: float
    options: Mapping[str, Any] = field(default_factory=dict)
    end_user: str | None = None
    cache_key: str | None = None
    on_sent: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer.

    `choices` are OpenAI's, whitelisted. `usage` is what the provider itself counted, in OpenAI's names and not yet believed: a
    count it did not send is None or absent. `size` is about how long it came, in bytes.
    """

    choices: list[dict[str, Any]]
    usage: dict[str, Any]
    size: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a streamed answer, as it arrived.

    `choices` are OpenAI's `{"index", "delta", "logprobs"?, "finish_reason"}`, rebuilt from a whitelist; a delta has any of `content`,
    `refusal`, `reasoning_content` and `tool_calls`, never a `role`. `usage` as in `Answer`, on the chunk that carried it.
    """

    choices: list[dict[str, Any]]
    usage: dict[str, Any] | None = None


class Upstream(Protocol):
    """A transport. Both raise `chat.upstream.errors.UpstreamError` and nothing else that a provider can cause.

    `complete` raises Failed for an answer without a finish reason. `stream` yields what the provider really sent: a stream that it
    cut off ends, or raises, without a finish reason. Closing it closes the connection to the provider.
    """

    async def complete(self, call: UpstreamCall) -> Answer: ...

    def stream(self, call: UpstreamCall) -> AsyncGenerator[Chunk]: ...
