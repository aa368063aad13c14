"""place, settle and release for the web process: async, one row a call, over wallets/pool.py.

What may pass (the database away or restarting, a lock held for long, a deadlock, an answer lost on its way) is asked again until
the time below is over: the statements are repeatable by usage id, so a question whose first answer was lost gets the same answer
and nothing moves twice. After that psycopg.OperationalError is raised, and what the database did is not known.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.errors import UniqueViolation

from wallets import pool, statements
from wallets.holds import Hold, Release, Released, Settled, Settlement, Verdict, read_released, read_settled, read_verdict

# Seconds for which an answer is asked for again
PLACE_SECONDS = 8.0
CLOSE_SECONDS = 20.0


async def place(hold: Hold) -> Verdict:
    """Place one hold. Its refusals are verdicts, not exceptions."""
    return read_verdict(await _ask(statements.PLACE, hold, seconds=PLACE_SECONDS))


async def settle(settlement: Settlement) -> Settled:
    """Charge one open usage record. Answered `closed`, nothing was written, and the caller must say billing_failed.

    Raises NoRateError, a psycopg.Error, where no credits-per-USD rate is in force: nothing was written either.
    """
    return read_settled(await _ask(statements.SETTLE, settlement, seconds=CLOSE_SECONDS), settlement)


async def release(release: Release) -> Released:
    """Give one hold back. Answered `closed`, the record was charged already, or never opened."""
    return read_released(await _ask(statements.RELEASE, release, seconds=CLOSE_SECONDS))


async def _ask(statement: statements.Statement[Any], row: Any, *, seconds: float) -> Sequence[Any]:
    parameters = statement.parameters([row])
    deadline = time.monotonic() + seconds
    pause = 0.01
    clashes = 0
    while True:
        try:
            async with pool.connection() as connection:
                cursor = await connection.execute(statement.text, parameters, prepare=True)
                answer: Sequence[Any] | None = await cursor.fetchone()
            assert answer is not None
            if answer[1] != statements.AGAIN:
                return answer
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
        except UniqueViolation:
            # The same id placed twice at once: the next look finds the record. Anything else is no race and stays an error.
            clashes += 1
            if clashes > 3:
                raise
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # spreads retries, guards nothing
        pause = min(pause * 2, 0.5)
