"""Threads for what blocks: files, storages, and the ORM. Their own, so that a slow disk keeps nobody else's work waiting.

What takes a moment, a piece of a file or a look-up, never waits behind what takes long: a whole file on its way into a slow storage.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from contract.returned_connections import give_back

P = ParamSpec("P")
R = TypeVar("R")

# Together about as many as the database has connections for this process; a piece of a file takes none
_MOMENTS: Final = ThreadPoolExecutor(8, thread_name_prefix="files")
_LONG: Final = ThreadPoolExecutor(4, thread_name_prefix="uploads")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `function`, which takes a moment, returns. Its connection to the database, if it took one, goes back at its end.

    A cancellation does not stop a function that has begun; nobody waits for it any more then.
    """
    return await _run(_MOMENTS, partial(function, *args, **kwargs))


async def in_long_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """`in_thread` for what reads or writes a whole file."""
    return await _run(_LONG, partial(function, *args, **kwargs))


async def _run(threads: ThreadPoolExecutor, work: Callable[[], R]) -> R:
    context = contextvars.copy_context()

    def run() -> R:
        try:
            return context.run(work)
        finally:
            give_back()

    return await asyncio.get_running_loop().run_in_executor(threads, run)
