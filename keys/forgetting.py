"""How every process forgets a key at once, when it is revoked or its account is suspended.

Redis says what to forget, on `CHANNEL`: a key's digest, or `account:<id>` for every key of an account. While the subscription is down
messages are missed, so everything is forgotten when it comes (back). With Redis away the time that a row is good for alone does it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Final

import redis
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

from contract.subscription import subscribe
from keys import cache
from keys.cache import KeyCache

logger = logging.getLogger("keys.forgetting")

CHANNEL: Final = "beatra:keys"
_ACCOUNT: Final = "account:"

_loop: asyncio.AbstractEventLoop | None = None
_listener: asyncio.Task[None] | None = None


async def start() -> None:
    """Listen for what to forget, from now on. Returns at once, also while Redis is away."""
    global _loop, _listener
    cache.KEYS.clear()
    _loop = asyncio.get_running_loop()
    _listener = asyncio.create_task(listen(cache.KEYS, url=settings.REDIS_URL)) if settings.REDIS_URL else None


async def stop() -> None:
    """End what `start` began."""
    global _loop, _listener
    _loop = None
    if _listener is not None:
        _listener.cancel()
        await asyncio.gather(_listener, return_exceptions=True)
        _listener = None
    cache.KEYS.clear()


async def listen(keys: KeyCache, *, url: str) -> None:
    """Pass every message on `CHANNEL` to `keys`, for ever, whatever becomes of the connection."""

    async def joined() -> None:
        keys.clear()

    def lost(error: Exception) -> None:
        keys.clear()
        # by its name only: an error's text may hold the address
        logger.warning("no word of revoked keys (%s): they may be taken for %g seconds more", type(error).__name__, cache.TTL_SECONDS)

    heard = functools.partial(obey, keys)
    await subscribe(CHANNEL, url=url, client_name="beatra-keys", joined=joined, heard=heard, lost=lost)


def obey(keys: KeyCache, message: str) -> None:
    """Make `keys` forget what a message on `CHANNEL` names; everything, if it says nothing we know."""
    if message.startswith(_ACCOUNT) and message.removeprefix(_ACCOUNT).isdecimal():
        keys.forget_account(int(message.removeprefix(_ACCOUNT)))
    elif len(message) == 64:
        keys.forget(message)
    else:
        keys.clear()


def publish_key(digest: str) -> None:
    """Once the transaction at hand is committed, make every process forget this key. For sync code; never raises."""
    transaction.on_commit(functools.partial(_publish, digest), robust=True)


def publish_account(account_id: int) -> None:
    """Once the transaction at hand is committed, make every process forget the keys of this account. Never raises."""
    transaction.on_commit(functools.partial(_publish, f"{_ACCOUNT}{account_id}"), robust=True)


def _publish(message: str) -> None:
    # our own process needs no Redis for it
    if _loop is not None:
        _loop.call_soon_threadsafe(obey, cache.KEYS, message)
    if not settings.REDIS_URL:
        return
    try:
        _publisher(settings.REDIS_URL).publish(CHANNEL, message)
    except redis.RedisError as error:
        logger.warning(
            "could not spread word of a revoked key (%s): it may be taken for %g seconds more", type(error).__name__, cache.TTL_SECONDS
        )


@functools.cache
def _publisher(url: str) -> redis.Redis:
    # a revocation waits for this, so briefly; the one retry is for a connection that went stale since the last one
    return redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 1))
