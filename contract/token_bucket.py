"""Token buckets: how often something may be done, counted to the token across all processes.

`Bucket("beatra:requests:key:7", 60)` holds 60 tokens at the most, and 60 grow back in a minute, one after another. `take` takes a token
of each bucket it is given, or of none and says how long until all have one.

    await token_bucket.take(bucket, ...)      on the event loop, once `start` was called: what asks at the same time goes out together
    token_bucket.take_sync(bucket, ...)       in a thread

Redis keeps the buckets and has the only clock (token_bucket.lua). It is waited for `TOKEN_BUCKET_SECONDS` (50 ms) and nobody's request
fails for want of it: while it is away each process counts in its own memory, and who asks does not wait; a try is made twice a second to
have it back.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from contract.bucket import Bucket, Memory, Question, Wait

logger = logging.getLogger("contract.token_bucket")

# Redis is waited for in slices, each of which takes a turn of the event loop at least: after a stall of our own the answer is there,
# and has only not been looked at
_SLICE_SECONDS: Final = 0.01
_CONNECT_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.5
# A script that runs keeps everybody else of Redis waiting: 0.3 ms
_MOST_AT_ONCE: Final = 100

_SCRIPT: Final = Path(__file__).with_suffix(".lua").read_text()


class TokenBuckets:
    """The buckets as one process reaches them. Without a `url` all are counted in memory.

    An answer is waited for `seconds`: Redis gives it in a millisecond, or is away.
    """

    def __init__(self, url: str, *, seconds: float) -> None:
        self._url = url
        self._seconds = seconds
        self.memory = Memory()
        self._waiting: list[tuple[Question, asyncio.Future[str | None]]] = []
        self._talker: asyncio.Task[None] | None = None
        self._is_away = False
        self._sync_away_until = 0.0  # monotonic
        self.connected = False

    async def start(self) -> None:
        """Count with the other processes from now on, as soon as Redis is there; returns within a second."""
        if not self._url:
            return
        self._asked, self._joined = asyncio.Event(), asyncio.Event()
        self._talker = asyncio.create_task(self._talk_for_ever())
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._joined.wait()

    async def stop(self) -> None:
        """End what `start` began. From then on `take` counts in memory."""
        if self._talker is not None:
            self._talker.cancel()
            await asyncio.gather(self._talker, return_exceptions=True)
            self._talker = None

    async def take(self, *buckets: Bucket) -> Wait | None:
        """Take a token of each bucket; of none if one of them is empty, and say how long to wait. Never raises for Redis' sake."""
        if not self.connected:
            return self.memory.take(buckets)
        word: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((buckets, word))
        self._asked.set()
        said = await word
        return self.memory.take(buckets) if said is None else _heard(said, buckets)

    def take_sync(self, *buckets: Bucket) -> Wait | None:
        """`take` for threads."""
        if not self._url or time.monotonic() < self._sync_away_until:
            return self.memory.take(buckets)
        try:
            keys, arguments = _asked([buckets])
            said = self._script(keys=keys, args=arguments)
        except redis.RedisError as error:
            self._sync_away_until = time.monotonic() + _PAUSE_SECONDS
            _warn(error)
            return self.memory.take(buckets)
        return _heard(said.decode(), buckets)

    @functools.cached_property
    def _script(self) -> Any:
        client = redis.Redis.from_url(
            self._url,
            socket_connect_timeout=self._seconds,
            socket_timeout=self._seconds,
            # for a connection that went stale since the last time
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            client_name="beatra-buckets",
        )
        return client.register_script(_SCRIPT)

    async def _talk_for_ever(self) -> None:
        while True:
            heard_something = False
            connection = _connection_to(self._url)
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await connection.connect()  # type: ignore[no-untyped-call]
                    digest = await _run(connection, "SCRIPT", "LOAD", _SCRIPT)
                self.connected = True
                self._joined.set()
                while True:
                    await self._asked.wait()
                    questions, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                    try:
                        words = await _in_time(_ask(connection, digest, [buckets for buckets, _ in questions]), seconds=self._seconds)
                    except BaseException:
                        self._waiting = questions + self._waiting
                        raise
                    heard_something, self._is_away = True, False
                    for (_, word), said in zip(questions, words, strict=True):
                        if not word.done():  # else whoever asked has left
                            word.set_result(said)
                    if not self._waiting:
                        self._asked.clear()
            except Exception as error:
                if not self._is_away:
                    self._is_away = True
                    _warn(error)
            finally:
                self._let_go()
                await connection.disconnect(nowait=True)
            if not heard_something:
                await asyncio.sleep(_PAUSE_SECONDS)

    def _let_go(self) -> None:
        """Nobody waits for Redis any more."""
        self.connected = False
        self._asked.clear()
        for _, word in self._waiting:
            if not word.done():
                word.set_result(None)
        self._waiting.clear()


def _connection_to(url: str) -> AbstractConnection:
    """Bare, since redis-py's client around it costs more than a question; and one, so that what waits meanwhile goes out together."""
    pool = redis.asyncio.ConnectionPool.from_url(
        url,
        retry=AsyncRetry(NoBackoff(), 0),
        # ours is around all of it
        socket_timeout=None,
        protocol=2,
        client_name="beatra-buckets",
        decode_responses=True,
    )
    connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
    return connection


async def _run(connection: AbstractConnection, *words: Any) -> Any:
    await connection.send_packed_command(b"".join(connection.pack_command(*words)), check_health=False)
    return await connection.read_response()


async def _ask(connection: AbstractConnection, digest: str, questions: Sequence[Question]) -> list[str]:
    keys, arguments = _asked(questions)
    try:
        words = await _run(connection, "EVALSHA", digest, len(keys), *keys, *arguments)
    except NoScriptError:  # Redis was emptied
        words = await _run(connection, "EVAL", _SCRIPT, len(keys), *keys, *arguments)
    return str(words).split(" ")


async def _in_time(work: Any, *, seconds: float) -> list[str]:
    """Raises TimeoutError after `seconds`. What was sent may be done all the same, and the connection is good for nothing more."""
    task = asyncio.ensure_future(work)
    try:
        for _ in range(math.ceil(seconds / _SLICE_SECONDS)):
            done, _pending = await asyncio.wait([task], timeout=_SLICE_SECONDS)
            if done:
                return list(task.result())
        raise TimeoutError
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _asked(questions: Sequence[Question]) -> tuple[list[str], list[int]]:
    """The script's KEYS and ARGV."""
    keys, arguments = [], []
    for buckets in questions:
        arguments.append(len(buckets))
        for bucket in buckets:
            keys.append(bucket.key)
            arguments += [bucket.most, bucket.period]
    return keys, arguments


def _heard(word: str, buckets: Question) -> Wait | None:
    number, _, microseconds = word.partition(":")
    return None if number == "0" else Wait(buckets[int(number) - 1], int(microseconds) / 1_000_000)


def _warn(error: Exception) -> None:
    # by its name only: an error's text may hold the address
    logger.warning("no talk with Redis: what may be done so often is counted per process: %s", type(error).__name__)


@functools.cache
def _shared() -> TokenBuckets:
    return TokenBuckets(settings.REDIS_URL, seconds=settings.TOKEN_BUCKET_SECONDS)


async def start() -> None:
    """Count with the other processes from now on. Returns within a second, also while Redis is away."""
    await _shared().start()


async def stop() -> None:
    """End what `start` began."""
    await _shared().stop()


async def take(*buckets: Bucket) -> Wait | None:
    """Take a token of each bucket, or of none and say how long until all have one. Never raises for Redis' sake."""
    return await _shared().take(*buckets)


def take_sync(*buckets: Bucket) -> Wait | None:
    """`take` for threads."""
    return _shared().take_sync(*buckets)
