"""This process is alive: one Process row, renewed every few seconds by a task of its own, by the database's clock.

A hold names the process that placed it; the sweeper ends the holds of processes it has not seen for a while. No write during a
call, no lease per call.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import suppress

import psycopg

from contract.ids import new_id
from wallets import pool

RENEW_SECONDS = 5.0
RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)

_process_id: str | None = None
_task: asyncio.Task[None] | None = None


async def start() -> str:
    """Write this process's row and keep renewing it. Returns its id. Needs the pool to be open."""
    global _process_id, _task
    if _process_id is None:
        # The host's name is for people; the ULID makes it this process's, also after a restart with the same pid
        _process_id = new_id(f"{socket.gethostname()[:24]}:{os.getpid()}")
        await _renew(_process_id)
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
    pause = RENEW_SECONDS
    while True:
        await asyncio.sleep(pause)
        try:
            await _renew(process)
            pause = RENEW_SECONDS
        except psycopg.Error as error:
            logger.warning("a heartbeat was missed: %s", type(error).__name__, extra={"process_id": process})
            pause = RETRY_SECONDS


async def _renew(process: str) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            "insert into wallets_process (id, seen_at, started_at) values (%s, clock_timestamp(), clock_timestamp())"
            " on conflict (id) do update set seen_at = clock_timestamp()",
            [process],
        )
