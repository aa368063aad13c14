"""Closed-loop load over raw connections: each asks again as soon as it has its answer, until the time is up."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
_TAIL = 64


@dataclass(slots=True)
class Sample:
    """What came back in `seconds`: `latencies` and `first_bytes` in seconds, one a call."""

    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)
    seconds: float = 0.0


def request(port: int, body: dict[str, Any], *, key: str) -> bytes:
    """The bytes of a chat call to a server of this machine."""
    content = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def run(port: int, requests: list[bytes], *, seconds: float) -> Sample:
    """Keep each of `requests` in flight for `seconds`, then let those under way end. Raises RuntimeError for any answer but a good one."""
    return uvloop.run(_run(port, requests, seconds=seconds))


async def _run(port: int, requests: list[bytes], *, seconds: float) -> Sample:
    loop, sample, began = asyncio.get_running_loop(), Sample(), time.perf_counter()
    callers = [_Caller(request, sample, until=began + seconds, done=loop.create_future()) for request in requests]
    for caller in callers:
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)  # type: ignore[misc]  # bound at once
    await asyncio.gather(*(caller.done for caller in callers))
    sample.seconds = time.perf_counter() - began
    return sample


class _Caller(asyncio.Protocol):
    """One connection and its calls, one after another."""

    def __init__(self, request: bytes, sample: Sample, *, until: float, done: asyncio.Future[None]) -> None:
        self._request, self._sample, self._until, self.done = request, sample, until, done

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._head, self._tail, self._first_at, self._left = b"", b"", 0.0, -1
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._first_at:
            self._first_at = time.perf_counter()
        if self._left < 0:
            self._head += data
            head, separator, data = self._head.partition(b"\r\n\r\n")
            if not separator:
                return
            length = _LENGTH.search(head)
            self._left = int(length[1]) if length else 1 << 62
        self._left -= len(data)
        self._tail = (self._tail + data)[-_TAIL:]
        if self._left == 0 or self._tail.endswith(b"\r\n0\r\n\r\n"):
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        streamed = self._left != 0
        if not self._head.startswith(b"HTTP/1.1 200") or (streamed and b"data: [DONE]" not in self._tail):
            self._fail(f"answered {(self._head + self._tail)[:1000]!r}")
            return
        self._sample.latencies.append(now - self._asked_at)
        self._sample.first_bytes.append(self._first_at - self._asked_at)
        if now < self._until:
            self._ask()
        else:
            self._transport.close()
            self.done.done() or self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection was lost: {error}")

    def _fail(self, reason: str) -> None:
        self._transport.close()
        self.done.done() or self.done.set_exception(RuntimeError(reason))
