"""When each key was last used, written beside the requests: `touch` notes it in memory, a task writes it to `last_used_at`.

A key's row is written at most once a minute, whatever the number of processes; what comes sooner waits in memory. So the shown
time is seconds old for a key's first use, and at most about a minute old for one in steady use.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from wallets import pool

logger = logging.getLogger("keys.last_use")

FLUSH_SECONDS: Final = 5.0
ONCE_IN_SECONDS: Final = 60.0

# Rows that somebody else is writing are left for the next time. In order of id, so that two processes can't deadlock.
_WRITE: Final = """
    with used as (
        select * from unnest(%(ids)s::bigint[], %(used_at)s::timestamptz[]) as used (id, used_at)
    ), due as (
        select key.id, used.used_at from keys_apikey as key join used on used.id = key.id
        where key.last_used_at is null
           or (key.last_used_at < used.used_at and key.last_used_at < now() - make_interval(secs => %(once_in_seconds)s))
        order by key.id for no key update of key skip locked
    )
    update keys_apikey as key set last_used_at = due.used_at from due where key.id = due.id
    returning key.id
"""

_lock = threading.Lock()  # sync views touch from their own threads
_used: dict[int, datetime] = {}
_quiet_until: dict[int, float] = {}  # monotonic: not worth a try before
_flusher: asyncio.Task[None] | None = None


def touch(key_id: int, *, at: datetime) -> None:
    """Note that a key was used. Costs no I/O; may be called from any thread."""
    with _lock:
        _used[key_id] = at


async def start() -> None:
    """Write what is noted every few seconds from now on. Needs wallets.pool."""
    global _flusher
    _flusher = asyncio.create_task(_flush_for_ever())


async def stop() -> None:
    """Write what is left, and end."""
    global _flusher
    if _flusher is not None:
        _flusher.cancel()
        await asyncio.gather(_flusher, return_exceptions=True)
        _flusher = None
    _quiet_until.clear()
    await flush()
    forget()


def forget() -> None:
    """Drop what is noted and not yet written."""
    with _lock:
        _used.clear()
        _quiet_until.clear()


async def flush() -> None:
    """Write what is noted and due now. A failure is logged and tried again next time."""
    now = time.monotonic()
    with _lock:
        for key_id in [key_id for key_id, until in _quiet_until.items() if until <= now]:
            del _quiet_until[key_id]
        batch = {key_id: used_at for key_id, used_at in _used.items() if key_id not in _quiet_until}
    if not batch:
        return
    try:
        async with pool.connection() as conn:
            cursor = await conn.execute(_WRITE, {"ids": list(batch), "used_at": list(batch.values()), "once_in_seconds": ONCE_IN_SECONDS})
            written = {key_id for (key_id,) in await cursor.fetchall()}
    except Exception:
        logger.warning("could not write the last use of %s keys", len(batch), exc_info=True)
        return
    # Not written, and used over a minute ago: another process has written a later use.
    settled_before = timezone.now() - timedelta(seconds=ONCE_IN_SECONDS)
    with _lock:
        for key_id, used_at in batch.items():
            _quiet_until[key_id] = now + ONCE_IN_SECONDS
            if _used.get(key_id) == used_at and (key_id in written or used_at <= settled_before):
                del _used[key_id]


async def _flush_for_ever() -> None:
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        await flush()
