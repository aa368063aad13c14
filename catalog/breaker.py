"""The circuit breaker of a route: once its provider fails call after call, no call waits for it any more but one trial at a time.

`pass_ = await breaker.enter(route.id, account_id=...)` before a try, and exactly one of the pass's three words after it. A route is
opened by failures in a row, which must be more than one account's: what is wrong with one customer's calls takes the route from
nobody else. When its time is over one call of all the processes is let through; if that fails too the route is open for twice as
long, if it succeeds it is closed for all.

Redis holds what all processes share (breaker_script.py) and tells each change to everybody, so a call reads only its process's
own copy: no I/O while nothing is wrong. With Redis away failures are not counted, what is open runs out, and everything is let through.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from catalog.breaker_script import (
    LONGEST_OPEN_SECONDS,
    NAME,
    OPEN_SECONDS,
    SCRIPT,
    TALK_SECONDS,
    THRESHOLD,
    TRIAL_MARGIN_SECONDS,
    WINDOW_SECONDS,
    Word,
    channel,
    limits,
)
from contract.subscription import subscribe

logger = logging.getLogger("catalog.breaker")

# Calls that fail all at once take turns, instead of a connection each.
_CONNECTIONS: Final = 4


class Pass:
    """Leave to try a route once. The first of its three words counts, and must come; none of them ever raises."""

    def __init__(self, breakers: Breakers, route_id: int, *, account_id: int, trial: str = "") -> None:
        self._breakers = breakers
        self._over = False
        self.route_id = route_id
        self.account_id = account_id
        self.trial = trial  # its token in Redis
        self.entered_at = time.monotonic()

    async def failed(self) -> None:
        """The provider failed in a way that counts against it."""
        await self._end(self._breakers.failed)

    async def succeeded(self) -> None:
        """The provider has given output. To be said as soon as it is known."""
        await self._end(self._breakers.succeeded)

    async def dropped(self) -> None:
        """The try ended without a verdict on the provider. So does a refusal: whoever can bring one about, with a bad request, must not
        keep a dead route in use for everybody else."""
        await self._end(self._breakers.dropped)

    async def _end(self, verdict: Callable[[Pass], Awaitable[None]]) -> None:
        if not self._over:
            self._over = True
            await verdict(self)


class Breakers:
    """The breakers of all routes as one process sees them. Durations in seconds; without a `url` everything is let through."""

    def __init__(
        self,
        url: str,
        *,
        trial_seconds: float,
        threshold: int = THRESHOLD,
        window_seconds: float = WINDOW_SECONDS,
        open_seconds: float = OPEN_SECONDS,
        longest_seconds: float = LONGEST_OPEN_SECONDS,
    ) -> None:
        self._limits = limits(
            threshold=threshold,
            window_seconds=window_seconds,
            open_seconds=open_seconds,
            longest_seconds=longest_seconds,
            trial_seconds=trial_seconds,
        )
        self._url = url
        self._known: dict[int, Word] = {}
        self._closed_at: dict[int, float] = {}
        self._listener: asyncio.Task[None] | None = None
        self._client: redis.asyncio.Redis | None = None
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self.connected = False

    async def start(self) -> None:
        """Take part from now on. Returns at once, also while Redis is away."""
        if not self._url:
            return
        self._client = redis.asyncio.Redis.from_url(
            self._url,
            retry=Retry(NoBackoff(), 0),
            # ours is around all of it; redis-py's own is an asyncio.wait_for, which may swallow ours before Python 3.12
            socket_timeout=None,
            client_name="beatra-breakers",
            decode_responses=True,
        )
        self._channel = channel(self._client)
        self._change = self._client.register_script(SCRIPT)
        self._listener = asyncio.create_task(
            subscribe(self._channel, url=self._url, client_name="beatra-breakers", joined=self._load, heard=self._hear, lost=self._lose)
        )

    async def stop(self) -> None:
        """End what `start` began."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
            self._listener = None
        self.connected = False
        self._known.clear()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def is_healthy(self, route_id: int) -> bool:
        """Whether a call may try the route: it is closed, or due for a trial. By what this process knows."""
        known = self._known.get(route_id)
        return known is None or not known.open or known.until <= time.monotonic()

    async def enter(self, route_id: int, *, account_id: int) -> Pass | None:
        """Leave to try the route once; None while it is open. Talks to Redis only if the route is due for a trial."""
        known = self._known.get(route_id)
        if known is None or not known.open:
            return Pass(self, route_id, account_id=account_id)
        if known.until > time.monotonic():
            return None
        # for the others of this process it stays open meanwhile, so that they wait neither for the route nor for Redis
        self._heed(Word.of(route_id, "open", seconds=TALK_SECONDS))
        trial = Pass(self, route_id, account_id=account_id, trial=secrets.token_hex(8))
        try:
            word, news = await self._tell("enter", trial)
        except asyncio.CancelledError:
            await trial.dropped()
            raise
        if word is None:  # it may have been taken all the same
            self._known.pop(route_id, None)
            return trial
        if news:
            return trial
        return None if word.open else Pass(self, route_id, account_id=account_id)

    async def failed(self, tried: Pass) -> None:
        """Count a failure, if the route is not known for it already. For `Pass`."""
        late = self._open(tried.route_id) and not tried.trial
        if late or tried.entered_at < self._closed_at.get(tried.route_id, float("-inf")):
            return
        word, news = await self._tell("failed", tried)
        if word and word.open and news:
            logger.warning("a breaker opened", extra={"route_id": tried.route_id, "open_seconds": word.seconds})

    async def succeeded(self, tried: Pass) -> None:
        """Forget the failures before, if there are any; after a trial, close the breaker. For `Pass`."""
        # what other calls waited for since before it opened says nothing of new ones: closing is for the trial
        if not tried.trial and (tried.route_id not in self._known or self._open(tried.route_id)):
            return
        # at once: one call of this process says it, and Redis may be away
        self._heed(Word.of(tried.route_id, "closed"))
        _, news = await self._tell("succeeded", tried)
        if tried.trial and news:
            logger.warning("a breaker closed", extra={"route_id": tried.route_id})

    async def dropped(self, tried: Pass) -> None:
        """Let another call have the trial, if this was one. For `Pass`."""
        if tried.trial:
            await self._tell("dropped", tried)

    def _open(self, route_id: int) -> bool:
        known = self._known.get(route_id)
        return known is not None and known.open

    async def _tell(self, event: str, tried: Pass) -> tuple[Word | None, bool]:
        """How the route stands now, and whether `event` made it so. (None, False): Redis is away."""
        if not self.connected:
            return None, False
        try:
            text, news = await self._run(event, str(tried.route_id), tried.trial, str(tried.account_id))
        except Exception as error:  # by its name only: an error's text may hold the address
            logger.warning("no talk with Redis about a breaker: %s", type(error).__name__, extra={"route_id": tried.route_id})
            return None, False
        word = Word.parse(text)
        self._heed(word)
        return word, bool(news)

    async def _run(self, event: str, *arguments: str) -> list[Any]:
        async with asyncio.timeout(TALK_SECONDS), self._turns:
            answer: list[Any] = await self._change(keys=[NAME], args=[self._channel, self._limits, event, *arguments])
        return answer

    async def _load(self) -> None:
        texts = await self._run("load")
        self._known.clear()
        for text in texts:
            self._hear(text)
        self.connected = True

    def _hear(self, text: str) -> None:
        try:
            word = Word.parse(text)
        except ValueError:  # not ours: it says nothing of a route, and must not keep us from hearing of the others
            logger.warning("a word on a breaker could not be read")
        else:
            self._heed(word)

    def _lose(self, error: Exception) -> None:
        self.connected = False
        logger.warning("breakers are not shared, failures not counted: %s", type(error).__name__)

    def _heed(self, word: Word) -> None:
        known = self._known.pop(word.route_id, None)
        if word.standing != "closed":
            self._known[word.route_id] = word
        elif known and known.open:
            # whoever entered before it opened may fail for as long as a call takes, and says nothing of now
            self._closed_at[word.route_id] = time.monotonic()


_breakers = Breakers("", trial_seconds=0)


async def start() -> None:
    """Share the breakers with the other processes from now on. Returns at once, also while Redis is away."""
    global _breakers
    trial_seconds = settings.CHAT_CONNECT_SECONDS + settings.CHAT_FIRST_OUTPUT_SECONDS + TRIAL_MARGIN_SECONDS
    _breakers = Breakers(settings.REDIS_URL, trial_seconds=trial_seconds, threshold=settings.BREAKER_FAILURES)
    await _breakers.start()


async def stop() -> None:
    """End what `start` began. From then on every route is healthy."""
    await _breakers.stop()


def is_healthy(route_id: int) -> bool:
    """Whether a call may try the route: it is closed, or due for a trial. No I/O."""
    return _breakers.is_healthy(route_id)


async def enter(route_id: int, *, account_id: int) -> Pass | None:
    """Leave for this account to try the route once; None: it is open, don't try it now. No I/O while it is closed."""
    return await _breakers.enter(route_id, account_id=account_id)
