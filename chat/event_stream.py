"""The body of a streamed answer: the events of a call as they come, until there are no more."""

from __future__ import annotations

import orjson
from django.conf import settings

from chat.outbox import Outbox

KEEP_ALIVE = b": keep-alive\n\n"


class EventStream:
    """The body of the response: what the call has put, and `: keep-alive` where nothing came for a while.

    It ends with an error event, and without `[DONE]`, when the call could not be completed. Closing it early is the caller's leaving.
    It holds on to the outbox alone: a caller who reads slowly keeps nothing of a call that has ended.
    """

    def __init__(self, outbox: Outbox, *, request_id: str) -> None:
        self._outbox = outbox
        self._request_id = request_id
        self._is_over = False

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> bytes:
        if self._is_over:
            raise StopAsyncIteration
        if not await self._outbox.wait(settings.CHAT_KEEP_ALIVE_SECONDS):
            return KEEP_ALIVE
        events = self._outbox.take()
        if self._outbox.is_over:
            self._is_over = True
            if self._outbox.error is not None:
                events += b"data: " + orjson.dumps(self._outbox.error.envelope(self._request_id)) + b"\n\n"
        return events

    async def aclose(self) -> None:
        """Called by the handler in any case, at the end too."""
        if not self._is_over:
            self._outbox.abandon()
