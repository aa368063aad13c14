"""This process is alive: one Process row, renewed every RENEW_SECONDS by a task of its own, by the database's clock.

A hold names the process that placed it; the sweeper ends the holds of processes it has not seen for GONE_SECONDS
(wallets/sweeper.py). No write during a call, no lease per call.

A living process must not look dead: the heart has a connection of its own, so that it never waits behind requests for one of the
pool; a try that takes too long is given up for another on a new connection, without waiting for its end, so that two fit into the
sweeper's patience: RENEW_SECONDS, TRY_SECONDS, RETRY_SECONDS and TRY_SECONDS again are less than its GONE_SECONDS; no error ends it.
It beats on the event loop on purpose: where that stands still no call gets on either, and holds of a process that hangs for good have
to end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection

from contract.ids import new_id
from wallets import pool

RENEW_SECONDS = 5.0
RETRY_SECONDS = 1.0
# For one try, connecting included: longer than a database that is merely slow takes
TRY_SECONDS = 6.0
# At the end, for tries that are under way
STOP_SECONDS = 1.0

_SEEN = """
insert into wallets_process (id, seen_at, started_at) values (%s, clock_timestamp(), clock_timestamp())
on conflict (id) do update set seen_at = clock_timestamp()
"""

logger = logging.getLogger(__name__)

_process_id: str | None = None
_task: asyncio.Task[None] | None = None
# The tries that have not ended, those given up too: the event loop itself keeps no task
_tries: set[asyncio.Task[AsyncConnection[Any]]] = set()


async def start() -> str:
    """Write this process's row and keep renewing it. Returns its id. Needs the pool to be open."""
    global _process_id, _task
    if _process_id is None:
        # The host's name is for people; the ULID makes it this process's, also after a restart with the same pid
        _process_id = new_id(f"{socket.gethostname()[:24]}:{os.getpid()}")
        async with pool.connection() as connection:
            await connection.execute(_SEEN, [_process_id])
        _task = asyncio.create_task(_keep_renewing(_process_id), name="heartbeat")
    return _process_id


async def stop() -> None:
    """Stop renewing and take the row away: whatever this process left open is ended by the next sweeps."""
    global _process_id, _task
    process, task = _process_id, _task
    _process_id = _task = None
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    for one in _tries:
        one.cancel()
    if _tries:
        await asyncio.wait(_tries, timeout=STOP_SECONDS)
    if process is not None:
        with suppress(psycopg.OperationalError):
            async with pool.connection(wait_seconds=1) as connection:
                await connection.execute("delete from wallets_process where id = %s", [process])


def process_id() -> str:
    """The id every hold of this process carries. Raises RuntimeError before `start`."""
    if _process_id is None:
        raise RuntimeError("the heartbeat is not running: wallets.heartbeat.start() belongs to the lifespan's start")
    return _process_id


async def _keep_renewing(process: str) -> None:
    clock = asyncio.get_running_loop().time
    own: AsyncConnection[Any] | None = None
    pause = RENEW_SECONDS
    try:
        while True:
            due = clock() + pause
            await asyncio.sleep(pause)
            if (late := clock() - due) > RENEW_SECONDS:
                logger.warning("the event loop stood still", extra={"process_id": process, "seconds": round(late, 1)})
            given, own = own, None
            try:
                own = await _within_its_time(_beat(process, given))
                pause = RENEW_SECONDS
            except Exception as error:  # whatever it is: a process without a heart would lose all its calls
                logger.warning("a heartbeat was missed: %s", type(error).__name__, extra={"process_id": process})
                pause = RETRY_SECONDS
    finally:
        if own is not None:
            await own.close()


async def _beat(process: str, own: AsyncConnection[Any] | None) -> AsyncConnection[Any]:
    """Renew over `own` or a new connection, which is returned for the next time; closed if it did not do."""
    own = own or await pool.connect()
    try:
        await own.execute(_SEEN, [process])
    except BaseException:
        await own.close()
        raise
    return own


async def _within_its_time(beat: Coroutine[Any, Any, AsyncConnection[Any]]) -> AsyncConnection[Any]:
    """What `beat` returns or raises. TimeoutError after TRY_SECONDS, and it is left to end by itself.

    `asyncio.timeout` would wait for that end, and psycopg takes up to 10 s for it: it asks the server to cancel and hears it out.
    """
    one = asyncio.create_task(beat, name="a heartbeat")
    _tries.add(one)
    one.add_done_callback(_ended)
    try:
        done, _ = await asyncio.wait({one}, timeout=TRY_SECONDS)
    finally:
        one.cancel()
    if not done:
        raise TimeoutError
    return one.result()


def _ended(one: asyncio.Task[AsyncConnection[Any]]) -> None:
    """Nobody may be waiting: a failure that nobody hears of is no fault."""
    _tries.discard(one)
    if not one.cancelled():
        one.exception()
