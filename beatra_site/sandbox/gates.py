"""Named gates at which calls wait until a test lets them go on."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator


class Gate:
    """Closed until released; calls pass in the order in which they came."""

    def __init__(self) -> None:
        self.open = False
        self.passed = 0
        self._waiting: deque[asyncio.Event] = deque()
        self._changed = asyncio.Condition()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @contextlib.asynccontextmanager
    async def passing(self) -> AsyncIterator[asyncio.Event]:
        """Counts the caller as waiting; the event is set when it may go on."""
        go_on = asyncio.Event()
        if self.open:
            go_on.set()
        else:
            self._waiting.append(go_on)
            await self._tell()
        try:
            yield go_on
        finally:
            if go_on.is_set():
                self.passed += 1
            else:
                self._waiting.remove(go_on)
            await self._tell()

    async def release(self, count: int | None) -> int:
        """Lets the first `count` waiting calls go and stays closed; without a count opens for all, later ones too."""
        self.open = count is None
        released = 0
        while self._waiting and (count is None or released < count):
            self._waiting.popleft().set()
            released += 1
        await self._tell()
        return released

    async def until(self, waiting: int, *, seconds: float) -> None:
        """Returns when so many calls wait here, or after so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self.waiting >= waiting)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def as_json(self, name: str) -> dict[str, object]:
        return {"name": name, "waiting": self.waiting, "passed": self.passed, "open": self.open}
