"""Customers under way: logical calls, sync and streamed, each with a key of its own, retried until answered as the contract says.

All of it follows from a seed: which calls, in which order, by which client. When what happens is up to the machine.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.customer import Customer

CLIENTS = 16
# A call of a process that died runs again within a minute; so long, and then some, a client asks for its answer
PATIENCE_SECONDS = 150
MODEL = "MiniMax-M2.7"


class Broken(Exception):
    """A try that came to nothing the caller could use: the connection went, or the answer ended in its midst."""


@dataclass
class LogicalCall:
    """One thing a customer wants once. `id` and `credits` are those of the answer, None as long as there is none.

    An impatient caller hangs up after `patience_seconds` the first time, whatever has come by then.
    """

    name: str
    owner: Customer
    stream: bool
    tokens: int
    chunk_ms: int
    latency_ms: int
    patience_seconds: float | None = None
    tries: int = 0
    id: str | None = None
    credits: str | None = None
    replayed: bool = False
    refusal: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The same at every try."""
        text = f"[[tokens={self.tokens} chunk_ms={self.chunk_ms} latency_ms={self.latency_ms}]] {self.name}"
        messages = [{"role": "user", "content": text}]
        return {"model": MODEL, "stream": self.stream, "max_tokens": 100, "metadata": {"call": self.name}, "messages": messages}

    @property
    def headers(self) -> dict[str, str]:
        return {**self.owner.headers, "Idempotency-Key": f"key-of-{self.name}"}

    @property
    def words(self) -> str:
        """What the provider says to it."""
        return " ".join(["word"] * self.tokens)


@dataclass
class Load:
    """What clients do at `v1s` until it ends. `calls` are all that were begun."""

    v1s: Sequence[str]
    owners: Sequence[Customer]
    seed: str
    clients: int = CLIENTS
    calls: list[LogicalCall] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    stopping: bool = False
    work: Future[None] | None = None

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Clients at work while the body runs; afterwards each asks on until its last call is answered, or patience ends."""
        with ThreadPoolExecutor(1) as pool:
            self.work = pool.submit(lambda: asyncio.run(self._run()))
            try:
                yield self
            finally:
                self.stopping = True
            self.work.result()

    @property
    def answered(self) -> list[LogicalCall]:
        return [call for call in self.calls if call.id is not None]

    @property
    def was_disturbed(self) -> bool:
        """Whether anything that happened was felt by anybody who is patient."""
        return any(call.tries > 1 and call.patience_seconds is None for call in self.calls)

    def wait_for(self, answers: int) -> None:
        """Wait until so many more calls are answered than now."""
        wanted, deadline = len(self.answered) + answers, time.monotonic() + PATIENCE_SECONDS
        while len(self.answered) < wanted:
            if self.work and self.work.done():
                self.work.result()
            assert time.monotonic() < deadline, f"no answers any more: {self.outcomes}"
            time.sleep(0.02)

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=60, sock_connect=5)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            await asyncio.gather(*(self._client(session, number) for number in range(self.clients)))

    async def _client(self, session: aiohttp.ClientSession, number: int) -> None:
        rng = random.Random(f"{self.seed}/{number}")
        for index in range(1_000_000):
            if self.stopping:
                return
            call = LogicalCall(
                name=f"{self.seed}-{number}-{index}",
                owner=rng.choice(self.owners),
                stream=rng.random() < 0.5,
                tokens=rng.randint(1, 20),
                chunk_ms=rng.choice([0, 0, 5, 20, 40]),
                latency_ms=rng.choice([0, 20, 100, 300]),
                patience_seconds=rng.uniform(0.01, 0.5) if rng.random() < 0.15 else None,
            )
            self.calls.append(call)
            await self._until_answered(session, call, rng)

    async def _until_answered(self, session: aiohttp.ClientSession, call: LogicalCall, rng: random.Random) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            call.tries += 1
            try:
                async with asyncio.timeout(call.patience_seconds if call.tries == 1 else None):
                    pause = await self._try(session, call, rng.choice(self.v1s))
            except (aiohttp.ClientError, ConnectionError, TimeoutError, Broken) as error:
                self.outcomes[type(error).__name__] += 1
                pause = 0.1
            if pause is None:
                return
            await asyncio.sleep(pause * rng.uniform(1, 1.5))

    async def _try(self, session: aiohttp.ClientSession, call: LogicalCall, v1: str) -> float | None:
        """One try; how many seconds to wait before the next, None if there is none to be."""
        async with session.post(f"{v1}/chat/completions", json=call.body, headers=call.headers) as response:
            if response.status != 200:
                return self._refused(call, await response.json(), retry_after=float(response.headers.get("Retry-After", "0.2")))
            if not call.stream:
                answer = await response.json()
                said = answer["choices"][0]["message"]["content"]
            else:
                said, answer = "", {}
                async for event in events_of(response):
                    if "error" in event:
                        return self._refused(call, event, retry_after=0.2)
                    said += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
                    answer = event
            if said != call.words:
                call.refusal = f"answered {said!r}"
                return None
            call.credits, call.id = answer["usage"]["credits"], answer["id"]
            call.replayed = response.headers.get("Idempotent-Replayed") == "true"
            self.outcomes["replayed" if call.replayed else "answered"] += 1
            return None

    def _refused(self, call: LogicalCall, answer: dict[str, Any], *, retry_after: float) -> float | None:
        error = answer["error"]
        self.outcomes[error["code"]] += 1
        if error["retryable"]:
            return retry_after
        call.refusal = f"refused: {error['code']}"
        return None


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream up to `[DONE]` or an error. Raises Broken where it ends without one of them."""
    async for line in response.content:
        if not line.startswith(b"data: "):
            continue
        if line == b"data: [DONE]\n":
            return
        event = json.loads(line[6:])
        yield event
        if "error" in event:
            return
    raise Broken
