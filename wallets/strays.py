"""Ends holds of this very process that none of its calls knows of.

A hold can come true after it was given up on: its connection broke, the release that followed found nothing to release, and only then
the server came to the statement that had lain in its buffer. The sweeper ends the holds of processes that are gone, not these.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import psycopg

from wallets import committer, heartbeat, pool
from wallets.holds import Release
from wallets.models import UsageClause

LOOK_SECONDS = 15.0
# A hold that is being placed is known within committer.PLACE_SECONDS, or given up
AGE_SECONDS = 30.0

_FIND = """
select id, wallet_id from wallets_usagerecord
 where status = 'open' and process_id = %s and created_at < clock_timestamp() - make_interval(secs => %s)
"""

logger = logging.getLogger(__name__)

_task: asyncio.Task[None] | None = None


async def start() -> None:
    """A startup hook: look now and then. Needs the heartbeat."""
    global _task
    _task = asyncio.create_task(_keep_looking(), name="strays")


async def stop() -> None:
    """A shutdown hook."""
    global _task
    task, _task = _task, None
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def end_strays(process_id: str, *, age_seconds: float = AGE_SECONDS) -> int:
    """Release the holds of `process_id`, this process, that no call has; returns how many. Raises psycopg.Error when the database can't."""
    async with pool.connection() as connection:
        found = await (await connection.execute(_FIND, [process_id, age_seconds])).fetchall()
    strays = [row for row in found if not committer.is_open(row[0])]
    for usage_id, wallet_id in strays:
        logger.error("a hold that no call has was ended", extra={"usage_id": usage_id})
        await committer.release(Release(usage_id=usage_id, wallet_id=wallet_id, clause=UsageClause.LOST, outcome="lost"))
    return len(strays)


async def _keep_looking() -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await end_strays(heartbeat.process_id())
        except psycopg.Error as error:
            logger.warning("strays were not looked for: %s", type(error).__name__)
