"""Keys that this process has seen lately, so that authentication costs no I/O; and how it forgets them at once.

A row is good for `TTL_SECONDS` counted from before it was read: whatever becomes of a message, nothing older is ever used.
Within that time Redis says what to forget, on `CHANNEL`: a key's digest, or `account:<id>` for every key of an account.
While the subscription is down messages are missed, so everything is forgotten when it comes (back). With Redis away the time
alone does it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import redis
import redis.asyncio
from django.conf import settings
from django.db import transaction
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from keys.authentication import Caller

logger = logging.getLogger("keys.cache")

CHANNEL: Final = "beatra:keys"
TTL_SECONDS: Final = 5.0
MOST_ENTRIES: Final = 10_000
_ACCOUNT: Final = "account:"
_PING_SECONDS: Final = 15
_SHORTEST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0

Load = Callable[[str], Awaitable["Caller | None"]]
"""Reads the row of a digest from the database; None if there is none."""


class KeyCache:
    """Digest to Caller, for one event loop. Knows revoked keys too, but not unknown ones: anybody could fill it with those."""

    def __init__(self, *, ttl_seconds: float = TTL_SECONDS, most_entries: int = MOST_ENTRIES) -> None:
        self._ttl_seconds = ttl_seconds
        self._most_entries = most_entries
        self._entries: dict[str, tuple[float, Caller]] = {}  # by time of loading, oldest first
        self._loads: dict[str, asyncio.Task[Caller | None]] = {}

    async def get(self, digest: str, load: Load) -> Caller | None:
        """The row of this digest, by `load` unless it is known. However many ask at once, one load runs."""
        entry = self._entries.get(digest)
        if entry is not None and time.monotonic() - entry[0] < self._ttl_seconds:
            return entry[1]
        task = self._loads.get(digest)
        if task is None:
            task = self._loads[digest] = asyncio.create_task(self._load(digest, load))
        # shielded: one request that is given up must not take the others' load with it
        return await asyncio.shield(task)

    async def _load(self, digest: str, load: Load) -> Caller | None:
        started = time.monotonic()
        mine = asyncio.current_task()
        try:
            caller = await load(digest)
            # forgotten while it was being read: what was read may be older than the word to forget it
            if caller is not None and self._loads.get(digest) is mine:
                self._entries.pop(digest, None)
                self._entries[digest] = (started, caller)
                if len(self._entries) > self._most_entries:
                    del self._entries[next(iter(self._entries))]
            return caller
        finally:
            if self._loads.get(digest) is mine:
                del self._loads[digest]

    def __contains__(self, digest: object) -> bool:
        return digest in self._entries

    def obey(self, message: str) -> None:
        """Forget what a message on `CHANNEL` names; everything, if it says nothing we know."""
        if message.startswith(_ACCOUNT) and message.removeprefix(_ACCOUNT).isdecimal():
            account_id = int(message.removeprefix(_ACCOUNT))
            for digest in [digest for digest, (_, caller) in self._entries.items() if caller.account_id == account_id]:
                del self._entries[digest]
            self._loads.clear()  # of these the account is not known yet
        elif len(message) == 64:
            self._entries.pop(message, None)
            self._loads.pop(message, None)
        else:
            self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._loads.clear()


KEYS = KeyCache()
"""This process's cache."""
_loop: asyncio.AbstractEventLoop | None = None
_listener: asyncio.Task[None] | None = None


async def start() -> None:
    """Listen for what to forget, from now on. Returns at once, also while Redis is away."""
    global _loop, _listener
    KEYS.clear()
    _loop = asyncio.get_running_loop()
    _listener = asyncio.create_task(listen(KEYS, url=settings.REDIS_URL)) if settings.REDIS_URL else None


async def stop() -> None:
    """End what `start` began."""
    global _loop, _listener
    _loop = None
    if _listener is not None:
        _listener.cancel()
        await asyncio.gather(_listener, return_exceptions=True)
        _listener = None
    KEYS.clear()


async def listen(keys: KeyCache, *, url: str) -> None:
    """Pass every message on `CHANNEL` to `keys`, for ever, reconnecting with growing pauses of at most five seconds."""
    pause_seconds = _SHORTEST_PAUSE_SECONDS
    lost = False
    while True:
        # no retries of redis-py's own: a connection lost unseen would be messages missed unseen
        client = redis.asyncio.Redis.from_url(
            url,
            retry=AsyncRetry(NoBackoff(), 0),
            socket_connect_timeout=5,
            socket_keepalive=True,
            health_check_interval=_PING_SECONDS,
            client_name="beatra-keys",
            decode_responses=True,
        )
        try:
            async with client, client.pubsub() as subscription:
                await subscription.subscribe(CHANNEL)
                while True:
                    message = await subscription.get_message(timeout=_PING_SECONDS)
                    if message is None:
                        continue
                    if message["type"] == "message":
                        keys.obey(message["data"])
                    elif message["type"] == "subscribe":
                        keys.clear()
                        pause_seconds, lost = _SHORTEST_PAUSE_SECONDS, False
        except Exception as error:
            if not lost:
                lost = True
                keys.clear()
                # by its name only: an error's text may hold the address
                logger.warning("no word of revoked keys (%s): they may be taken for %g seconds more", type(error).__name__, TTL_SECONDS)
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)


def publish_key(digest: str) -> None:
    """Once the transaction at hand is committed, make every process forget this key. For sync code; never raises."""
    transaction.on_commit(partial(_publish, digest), robust=True)


def publish_account(account_id: int) -> None:
    """Once the transaction at hand is committed, make every process forget the keys of this account. Never raises."""
    transaction.on_commit(partial(_publish, f"{_ACCOUNT}{account_id}"), robust=True)


def _publish(message: str) -> None:
    # our own process needs no Redis for it
    if _loop is not None:
        _loop.call_soon_threadsafe(KEYS.obey, message)
    if not settings.REDIS_URL:
        return
    try:
        _publisher(settings.REDIS_URL).publish(CHANNEL, message)
    except redis.RedisError as error:
        logger.warning(
            "could not spread word of a revoked key (%s): it may be taken for %g seconds more", type(error).__name__, TTL_SECONDS
        )


@cache
def _publisher(url: str) -> redis.Redis:
    # a revocation waits for this, so briefly; the one retry is for a connection that went stale since the last one
    return redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 1))
