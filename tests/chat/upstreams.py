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
