"""Threads for what blocks: files, storages, and the ORM. Their own, so that a slow disk keeps nobody else's work waiting."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from contract.returned_connections import give_back

P = ParamSpec("P")
R = TypeVar("R")

# Fewer than the database has connections for this process
_THREADS: Final = ThreadPoolExecutor(8, thread_name_prefix="files")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `function` returns, called in a thread. Its connection to the database, if it took one, goes back at its end.

    A cancellation does not stop a function that has begun; nobody waits for it any more then.
    """
    context = contextvars.copy_context()

    def run() -> R:
        try:
            return context.run(function, *args, **kwargs)
        finally:
            give_back()

    return await asyncio.get_running_loop().run_in_executor(_THREADS, run)
