"""Waiting for what happens in another task, thread or process."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for something that happens elsewhere; gives up after half a minute."""
    async with asyncio.timeout(30):
        while True:
            found = holds()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)
