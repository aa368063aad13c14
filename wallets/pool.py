"""The process's one pool of async PostgreSQL connections, for everything that runs on the event loop: no ORM there.

Opened and closed by the ASGI lifespan. Connections are in autocommit (a statement is a transaction) and checked before they are
handed out, so that a restart of PostgreSQL costs a reconnect and not an error. Raises psycopg.OperationalError (PoolTimeout
included) when the database is away or all connections are taken for too long; the edge answers service_unavailable.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from django.conf import settings
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

# Seconds to wait for a connection
WAIT_SECONDS = 5.0
# A try to reconnect that takes longer is given up; the next caller starts another, so no back-off outlives an outage
RECONNECT_SECONDS = 2.0
# Of all that find a dead connection at the same time, one renews the pool
RENEW_SECONDS = 1.0

SERVER_SETTINGS = {
    "statement_timeout": "10s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    # A statement whose caller is gone must not wait on for a lock and then run: the caller may have been told otherwise meanwhile
    "client_connection_check_interval": "100ms",
    # Every statement here is a short look-up by key with one good plan; planning it again costs more than running it
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    # A plan made while a table was small would read it from end to end until the next ANALYZE, however large it has become
    "enable_seqscan": "off",
}

_pool: AsyncConnectionPool[AsyncConnection[Any]] | None = None
_renewed_at = float("-inf")


async def open() -> None:
    """Open the pool and wait for its first connection. Raises PoolTimeout when the database does not answer."""
    global _pool
    if _pool is not None:
        return
    database = settings.DATABASES["default"]
    pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
        _conninfo(database),
        # No prepare_threshold of 0: the empty query of check_connection would be prepared anew each time and stay on the server
        kwargs={"autocommit": True},
        min_size=1,
        max_size=database["OPTIONS"]["pool"]["max_size"],
        timeout=WAIT_SECONDS,
        reconnect_timeout=RECONNECT_SECONDS,
        check=_check,
        name="beatra",
        open=False,
    )
    try:
        await pool.open(wait=True, timeout=WAIT_SECONDS)
    except BaseException:
        await pool.close()
        raise
    _pool = pool


async def close() -> None:
    """Close the pool; connections in use are closed when they come back."""
    global _pool
    pool, _pool = _pool, None
    if pool is not None:
        await pool.close()


@asynccontextmanager
async def connection(*, wait_seconds: float = WAIT_SECONDS) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection in autocommit, waited for at most `wait_seconds`. For several statements as one, use `connection.transaction()`."""
    if _pool is None:
        raise RuntimeError("the pool is not open: wallets.pool.open() belongs to the lifespan's start")
    async with _pool.connection(timeout=wait_seconds) as found:
        yield found


async def connect(**server_settings: str) -> AsyncConnection[Any]:
    """A connection beside the pool, like those in it and the caller's own to close: for what may not wait behind requests.

    `server_settings` go before SERVER_SETTINGS. Raises psycopg.OperationalError when the database is away.
    """
    return await AsyncConnection.connect(_conninfo(settings.DATABASES["default"], **server_settings), autocommit=True)


async def _check(connection: AsyncConnection[Any]) -> None:
    """Raise psycopg.OperationalError if `connection` is dead; the others in the pool are then taken to be dead too, and renewed.

    When PostgreSQL restarts all of them die, and the pool by itself would try one after another, with longer and longer pauses.
    """
    global _renewed_at
    try:
        await AsyncConnectionPool.check_connection(connection)
    except psycopg.Error:
        if _pool is not None and time.monotonic() - _renewed_at > RENEW_SECONDS:
            _renewed_at = time.monotonic()
            await _pool.drain()
        raise


def _conninfo(database: dict[str, Any], **server_settings: str) -> str:
    """libpq's connection string for one of Django's DATABASES, its OPTIONS included; `server_settings` go before SERVER_SETTINGS."""
    options = {name: value for name, value in database["OPTIONS"].items() if name != "pool"}
    flags = " ".join(f"-c {name}={value}" for name, value in {**SERVER_SETTINGS, **server_settings}.items())
    named = {
        "dbname": database["NAME"],
        "user": database["USER"],
        "password": database["PASSWORD"],
        "host": database["HOST"],
        "port": database["PORT"],
    }
    return make_conninfo(
        **{
            "application_name": "beatra",
            "connect_timeout": 5,
            "keepalives_idle": 30,
            "tcp_user_timeout": 10_000,
            **{name: value for name, value in named.items() if value},
            **options,
            "options": f"{options.get('options', '')} {flags}".strip(),
        }
    )
