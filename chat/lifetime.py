"""The calls in flight of this process. A call lives in a task of its own, so that a caller who hangs up cancels the answer and never
the settlement.

A process that is told to stop gives its calls DRAIN_SECONDS, then cuts those that still run. The server, which waits for the responses
meanwhile, must have more patience (beatra_site/embedded/web.py), so that what was cut is answered too. The database's pool closes after
the last call."""

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
from contract.held_bytes import of_request
from contract.lifespan import when_stopping

logger = logging.getLogger(__name__)
T = TypeVar("T")
_calls: set[asyncio.Task[Any]] = set()
# Those whose callers have left, in that order
_drained: dict[asyncio.Task[Any], None] = {}
_warming: asyncio.Task[Any] | None = None
# Running from the moment that the process is told to stop
_clock: asyncio.TimerHandle | None = None
_is_over = False

# What calls that were cut get to end with
END_SECONDS = 10


def spawn(call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Run `call` to its end, whatever becomes of the request that asked for it. What that holds, its body, is held until then."""
    of_caller = of_request.get()
    held = of_caller and of_caller.handed_over()
    before = of_request.set(held)  # what the call spawns takes over from it in turn
    task = asyncio.create_task(call)
    of_request.reset(before)
    if held is not None:
        task.add_done_callback(lambda _: held.drop())
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


def is_over() -> bool:
    """Whether the calls have been cut: one that comes now, over a connection that was kept, is too late."""
    return _is_over


def shutting_down() -> ApiError:
    """The answer to a call that a shutdown could not wait for."""
    return ApiError("service_unavailable", "The server is shutting down. Nothing was charged.")


def warming() -> bool:
    """Whether LiteLLM is still being imported; a call that needs it waits."""
    return _warming is not None and not _warming.done()


async def start() -> None:
    """Begin to import LiteLLM in a thread, if an enabled route needs it; be ready to stop."""
    global _warming
    when_stopping(_begin_to_stop)
    catalog = await snapshot.current()
    if catalog.needs_litellm:
        _warming = asyncio.create_task(_warm_up())


async def _warm_up() -> None:
    await asyncio.to_thread(load_litellm)
    await settle_heap()


def _begin_to_stop() -> None:
    global _clock
    if _clock is None:
        if _calls:
            logger.info("waiting for %d calls in flight", len(_calls))
        _clock = asyncio.get_running_loop().call_later(settings.DRAIN_SECONDS, _end)


def _end() -> None:
    """Cut what still runs: each call settles or releases what it holds, and is answered. A settlement under way is not stopped."""
    global _is_over
    _is_over = True
    # Not at once: a task that was made this moment, and has not begun, would end without a word
    asyncio.get_running_loop().call_soon(_cut)


def _cut() -> None:
    if _calls:
        logger.warning("%d calls in flight are cut", len(_calls))
    for call in _calls:
        call.cancel()


async def drain() -> None:
    """Wait for the calls in flight, also those whose callers have left: until they are cut, and then `END_SECONDS` at most."""
    if _warming:
        await asyncio.wait([_warming])
    _begin_to_stop()
    assert _clock is not None
    if _calls:
        left = _clock.when() + END_SECONDS - asyncio.get_running_loop().time()
        await asyncio.wait(_calls, timeout=max(left, 1))
    _clock.cancel()
