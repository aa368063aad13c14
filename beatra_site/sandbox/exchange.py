"""One HTTP exchange over plain ASGI: the body in, an answer out, and the ways an answer can end badly.

`Protocol` is uvicorn's own with one addition: the scope carries the connection's transport, so that a fault can close or
reset the connection, which ASGI itself has no word for.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TRANSPORT = "beatra.transport"


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol; `scope[TRANSPORT]` is the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]  # ours, beside ASGI's own


class EndedError(Exception):
    """The exchange is over before its answer was: the client left, or a fault ended it."""


class Exchange:
    """A request and the answer being written to it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._transport: asyncio.Transport | None = scope.get(TRANSPORT)
        self._watcher: asyncio.Task[None] | None = None
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.left = asyncio.Event()
        self.status: int | None = None
        self.completed = False

    async def body(self) -> bytes:
        """The whole request body; from then on `left` is set when the client hangs up. Raises EndedError if it did already."""
        received = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                raise EndedError
            received += message.get("body", b"")
            if not message.get("more_body", False):
                break
        self._watcher = asyncio.create_task(self._watch())
        return bytes(received)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.completed:
            self.left.set()

    def close(self) -> None:
        """Stops watching the client."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def wait(self, seconds: float | None, *, go_on: asyncio.Event | None = None) -> None:
        """Waits so long (None: for ever), or until `go_on` is set. Raises EndedError as soon as the client leaves."""
        if seconds == 0:
            # Even without a pause the loop must get to see that the client has left
            await asyncio.sleep(0)
        elif go_on is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.left.wait()
        else:
            waits = {asyncio.create_task(self.left.wait()), asyncio.create_task(go_on.wait())}
            try:
                await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        if self.left.is_set():
            raise EndedError

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Sends the status line and headers."""
        self.status = status
        lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})

    async def write(self, data: bytes) -> None:
        """Sends a part of the body; waits while the client does not read. Raises EndedError when it has left."""
        if self.left.is_set():
            raise EndedError
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Sends the last part of the body. Raises EndedError when the client has left before."""
        if self.left.is_set():
            raise EndedError
        self.completed = True
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def answer(self, status: int, data: bytes, *, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer at once."""
        await self.start(status, {"content-type": content_type, "content-length": str(len(data)), **(headers or {})})
        await self.finish(data)

    async def json(self, status: int, content: object, *, headers: Mapping[str, str] | None = None) -> None:
        """A whole JSON answer at once."""
        await self.answer(status, orjson.dumps(content), content_type="application/json", headers=headers)

    async def hang_up(self, *, reset: bool = False) -> None:
        """Closes the connection without ending the answer, as a dying provider does; `reset`: by RST. Always raises EndedError."""
        if self._transport is not None:
            # What was written so far shall still arrive: the fault is in what comes after it
            while self._transport.get_write_buffer_size() and not self._transport.is_closing():  # noqa: ASYNC110  # no event tells it
                await asyncio.sleep(0.001)
            if reset:
                linger = struct.pack("ii", 1, 0)
                # uvloop's socket object takes no options; a duplicate of it is the same socket
                with socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno())) as same:
                    same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._transport.abort()
            else:
                self._transport.close()
            # uvicorn takes an unfinished answer for a crash unless it has seen the connection go
            await self.left.wait()
        raise EndedError
