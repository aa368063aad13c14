"""What stands between a call and the caller who reads it: the one goes on while the other is slow, up to a limit."""

from __future__ import annotations

import asyncio

from contract.errors import ApiError

FULL_BYTES = 1024 * 1024


class Outbox:
    """Bytes on their way to a caller. One task puts, one takes.

    It ends when the call closes it, with an `error` or without; from `abandon` on, when the caller has left, whatever is put is dropped.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._is_abandoned = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self.is_closed = False
        self.error: ApiError | None = None

    @property
    def is_full(self) -> bool:
        return self._size >= FULL_BYTES

    def put(self, part: bytes) -> None:
        """Add `part`. It always fits: who puts looks at `is_full` and waits for `room`."""
        if not self._is_abandoned:
            self._parts.append(part)
            self._size += len(part)
            self._changed.set()

    async def room(self) -> None:
        """Wait until the caller has read on, or has left."""
        while self.is_full:
            self._room.clear()
            await self._room.wait()

    def close(self, error: ApiError | None = None) -> None:
        """No more comes; `error` says why the answer is not complete."""
        self.is_closed, self.error = True, error
        self._changed.set()

    def abandon(self) -> None:
        """Nobody reads any more."""
        self._is_abandoned = True
        self._parts, self._size = [], 0
        self._room.set()

    async def wait(self, seconds: float) -> bool:
        """Whether there is something to take, or the end of it, within that time."""
        if not self._changed.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return False
        return True

    def take(self) -> bytes:
        """All there is, empty if nothing."""
        taken = b"".join(self._parts)
        self._parts, self._size = [], 0
        if not self.is_closed:
            self._changed.clear()
        self._room.set()
        return taken
