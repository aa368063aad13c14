"""The calls in flight of this process. A call lives in a task of its own, so that a caller who hangs up cancels the answer and never
the settlement; a shutdown waits for the calls before the database's pool closes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from django.conf import settings

from catalog import snapshot
from catalog.cost import load_litellm
from contract.errors import ApiError
from contract.heap import settle_heap
from contract.lifespan import stopping_seconds

logger = logging.getLogger(__name__)
T = TypeVar("T")
_calls: set[asyncio.Task[Any]] = set()
# Those whose callers have left, in that order
_drained: dict[asyncio.Task[Any], None] = {}
_warming: asyncio.Task[Any] | None = None


def spawn(call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Run `call` to its end, whatever becomes of the request that asked for it."""
    task = asyncio.create_task(call)
    _calls.add(task)
    task.add_done_callback(_calls.discard)
    # An error nobody waits for any more was already answered or logged by the call itself.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, however often this task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise


def drained(call: asyncio.Task[Any]) -> None:
    """`call` goes on though its caller has left. Beyond CHAT_MOST_DRAINED of them the one that has for longest is cancelled: it
    settles what had come, or releases what it holds."""
    _drained[call] = None
    call.add_done_callback(lambda done: _drained.pop(done, None))
    if len(_drained) > settings.CHAT_MOST_DRAINED:
        oldest = next(iter(_drained))
        del _drained[oldest]
        logger.warning("a call whose caller had left was cut: there are too many")
        oldest.cancel()


def shutting_down() -> ApiError:
    """The answer to a call that a shutdown could not wait for."""
    return ApiError("service_unavailable", "The server is shutting down. Nothing was charged.")


def warming() -> bool:
    """Whether LiteLLM is still being imported; a call that needs it waits."""
    return _warming is not None and not _warming.done()


async def start() -> None:
    """Begin to import LiteLLM in a thread, if an enabled route needs it."""
    global _warming
    catalog = await snapshot.current()
    if catalog.needs_litellm:
        _warming = asyncio.create_task(_warm_up())


async def _warm_up() -> None:
    await asyncio.to_thread(load_litellm)
    await settle_heap()


async def drain() -> None:
    """Wait for the calls in flight, `DRAIN_SECONDS` from SIGTERM, then cancel the rest: each settles or releases what it holds."""
    if _warming:
        await asyncio.wait([_warming])
    if _calls:
        logger.info("waiting for %d calls in flight", len(_calls))
        _, late = await asyncio.wait(_calls, timeout=max(settings.DRAIN_SECONDS - stopping_seconds(), 0.1))
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=10)
