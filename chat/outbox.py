"""What stands between a call and the caller who reads it: the one goes on while the other is slow, up to a limit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable

from contract.errors import ApiError
from contract.held_bytes import HeldBytes

FULL_BYTES = 1024 * 1024
# What is taken at once lies in the connection's own buffer until it is read, whatever becomes of us
PIECE_BYTES = 64 * 1024


class Outbox:
    """Bytes on their way to a caller. One task puts, one takes.

    It ends when the call closes it, with an `error` or without; from `abandon` on, when the caller has left, whatever is put is dropped.
    `give_up` is both, of a caller who does not read. What piles up counts as held for `whose`.
    """

    def __init__(self, whose: Hashable = None) -> None:
        self._held = HeldBytes(whose)
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._waits_since = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._on_abandon: Callable[[], None] | None = None
        self.is_abandoned = False
        self.is_closed = False
        self.error: ApiError | None = None

    @property
    def is_full(self) -> bool:
        return self._size >= FULL_BYTES

    def put(self, part: bytes) -> None:
        """Add `part`. It always fits: who puts looks at `is_full` and waits for `room`."""
        if not self.is_abandoned:
            self._parts.append(part)
            self._size += len(part)
            self._changed.set()
            if self._size > PIECE_BYTES:
                self._held.hold(self._size)

    async def room(self) -> None:
        """Wait until the caller has read on, or has left."""
        while self.is_full:
            self._room.clear()
            await self._room.wait()

    def close(self, error: ApiError | None = None) -> None:
        """No more comes; `error` says why the answer is not complete. The first close counts."""
        if self.is_closed:
            return
        self.is_closed, self.error, self._on_abandon = True, error, None
        self._silence()
        self._changed.set()

    def when_abandoned(self, tell: Callable[[], None]) -> None:
        """`tell` of the caller's leaving, once, unless the outbox is closed before."""
        self._on_abandon = tell
        if self.is_abandoned:
            tell()

    def abandon(self) -> None:
        """Nobody reads any more."""
        if self.is_abandoned:
            return
        self.is_abandoned = True
        self._parts.clear()
        self._size = 0
        self._held.drop()
        self._silence()
        self._room.set()
        if self._on_abandon is not None:
            self._on_abandon()

    def give_up(self, error: ApiError) -> None:
        """To the call, the caller has left; if he reads on after all, `error` is the end of what he gets."""
        self.abandon()
        self.close(error)

    async def wait(self, seconds: float) -> bool:
        """Whether there is something to take, or the end of it, within about that time."""
        if not self._changed.is_set():
            loop = asyncio.get_running_loop()
            self._waits_since = loop.time()
            if self._alarm is None:
                # One timer for many waits: it goes off once in `seconds` and looks, where one for each wait would cost as much as a chunk
                self._alarm = loop.call_later(seconds, self._ring, seconds)
            await self._changed.wait()
        if self._parts or self.is_closed:
            return True
        self._changed.clear()
        return False

    def _ring(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        left = self._waits_since + seconds - loop.time()
        if left > 0:
            self._alarm = loop.call_later(left, self._ring, seconds)
        else:
            self._alarm = None
            self._changed.set()

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def take(self) -> bytes:
        """What there is, empty if nothing: the whole of it, or a piece if it is much."""
        if self._size <= PIECE_BYTES:
            taken = b"".join(self._parts)
            self._parts.clear()
        else:
            piece: list[bytes] = []
            size = 0
            while size < PIECE_BYTES:
                piece.append(self._parts.popleft())
                size += len(piece[-1])
            taken = b"".join(piece)
        self._size -= len(taken)
        self._held.hold(self._size if self._size > PIECE_BYTES else 0)
        if not self._parts and not self.is_closed:
            self._changed.clear()
        self._room.set()
        return taken

    @property
    def is_over(self) -> bool:
        """Whether all that will ever come has been taken."""
        return self.is_closed and not self._parts
