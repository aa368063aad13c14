"""A request's body as it comes, part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from contract import limits
from contract.asgi import Message, Receive
from contract.errors import ApiError


class BodyStream:
    """`while part := await stream.read(): ...` reads a body once, within `seconds` in all.

    Part by part it is read no faster than it is asked for: the server stops reading the connection meanwhile. `at_end` is called when
    the last part is there; `at_hang_up` when the caller leaves before, and has to cancel the task that reads.
    """

    def __init__(self, receive: Receive, *, seconds: float, at_end: Callable[[], None], at_hang_up: Callable[[], None]) -> None:
        self._receive = receive
        self._until = asyncio.get_running_loop().time() + seconds
        self._at_end = at_end
        self._at_hang_up = at_hang_up
        self._is_over = False

    async def read(self) -> bytes:
        """The next bytes, none at the end. Raises ApiError invalid_request if they do not come in time, and CancelledError."""
        while not self._is_over:
            message = await self._next()
            if message["type"] == "http.disconnect":
                self._at_hang_up()
                await asyncio.sleep(0)  # the cancellation is heard here
            if not message.get("more_body", False):
                self._is_over = True
                self._at_end()
            if body := message.get("body"):
                part: bytes = body
                return part
        return b""

    async def _next(self) -> Message:
        left = self._until - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(limits.BODY_SILENCE_SECONDS, left)):
                return await self._receive()
        except TimeoutError:
            raise ApiError("invalid_request", "The body did not come in time.") from None
