"""Both transports, asked directly: over real HTTP, with the answer as chat gets it."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from catalog.cost import DECIMAL, cost_row
from catalog.snapshot import RouteInfo
from chat.upstream import Answer, Chunk, Upstream, UpstreamCall, transports
from chat.upstream.errors import UpstreamError

T = TypeVar("T")
# What LiteLLM can not do, and what comes of it. Everything else that the tests ask of both holds for both.
LITELLM_CANNOT = {
    "say why a provider refused inside a 200": {"base_resp", "error_event_code"},
    "tell a body that is no stream from an empty one: it ends without a finish reason": {"stream_of_garbage"},
    "hand on the pieces of a streamed refusal, or of thinking in MiniMax's reasoning_details": {"streamed_refusal", "streamed_details"},
    "give each choice of a stream its own finish reason": {"own_finish_reasons"},
    "tell the status of a time-out": {"timeout_status"},
    "keep a count that is no number: the call fails": {"odd_counts"},
    "count what it was not sent: missing details are 0": {"missing_details"},
}
PRICES = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}


def route(
    base_url: str, *, transport: str = "native", model: str = "gpt-4o-mini", provider: str = "openai", sandbox: bool = False, key: str = ""
) -> RouteInfo:
    """A route to `base_url`. `key`: the name of the environment variable with its credential."""
    return RouteInfo(
        id=1,
        name="test",
        rank=1,
        transport=transport,
        litellm_model=f"{provider}/{model}",
        upstream_model=model,
        base_url=base_url,
        credential_env=key,
        sandbox=sandbox,
        stoppable=False,
        cost=cost_row(1, PRICES, version=1, method=DECIMAL, source="test"),
    )


@dataclass
class Streamed:
    """What came of a stream: its chunks, and the error that ended it, if any."""

    chunks: list[Chunk] = field(default_factory=list)
    error: UpstreamError | None = None

    def text(self, name: str = "content", *, index: int = 0) -> str:
        return "".join(choice["delta"].get(name) or "" for choice in self.choices(index))

    def choices(self, index: int = 0) -> list[dict[str, Any]]:
        return [choice for chunk in self.chunks for choice in chunk.choices if choice["index"] == index]

    def finish(self, index: int = 0) -> str | None:
        """The finish reason; there must not be two."""
        reasons = [choice["finish_reason"] for choice in self.choices(index) if choice["finish_reason"]]
        assert len(reasons) <= 1
        return reasons[0] if reasons else None

    @property
    def usage(self) -> dict[str, Any] | None:
        counted = [chunk.usage for chunk in self.chunks if chunk.usage is not None]
        return counted[-1] if counted else None


class Provider:
    """A provider behind one of the transports."""

    def __init__(self, transport: str, base_url: str, **fields: Any) -> None:
        self.transport = transport
        self.route = route(base_url, transport=transport, **fields)
        self.upstream = transports.of(self.route)

    def call(self, text: str, *, limit: int = 500, options: Any = None, **fields: Any) -> UpstreamCall:
        own = {name: fields.pop(name) for name in ("end_user", "cache_key", "connect_seconds") if name in fields}
        return UpstreamCall(
            route=self.route,
            fields={"messages": [{"role": "user", "content": text}], **fields},
            limit=limit,
            options=options or {},
            **{"connect_seconds": 2, "total_seconds": 20, **own},
        )

    def complete(self, text: str, **fields: Any) -> Answer:
        return run(self.upstream.complete(self.call(text, **fields)))

    def stream(self, text: str, **fields: Any) -> Streamed:
        return run(streamed(self.upstream, self.call(text, **fields)))

    def error(self, text: str, *, streaming: bool, **fields: Any) -> UpstreamError | None:
        """What the call ends with, None if it ends well or, streamed, without a word."""
        if streaming:
            return self.stream(text, **fields).error
        try:
            self.complete(text, **fields)
        except UpstreamError as error:
            return error
        return None


def litellm_cannot(provider: Provider, what: str) -> bool:
    """Whether `provider` is behind LiteLLM, and `what` one of those things."""
    assert any(what in names for names in LITELLM_CANNOT.values()), f"{what} is not in the table"
    return provider.transport == "litellm"


async def streamed(upstream: Upstream, call: UpstreamCall) -> Streamed:
    """The whole of one stream."""
    got = Streamed()
    try:
        async for chunk in upstream.stream(call):
            got.chunks.append(chunk)
    except UpstreamError as error:
        got.error = error
    return got


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, on one event loop for all tests, with the transports open as in a web process."""

    async def in_time() -> T:
        async with asyncio.timeout(30):
            return await work

    return _loop().run(in_time())


@cache
def _loop() -> asyncio.Runner:
    runner = asyncio.Runner()
    runner.run(transports.open())

    def close() -> None:
        runner.run(transports.close())
        runner.close()

    atexit.register(close)
    return runner
