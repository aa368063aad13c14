"""The circuit breaker of a route (catalog/breaker.py) for threads and workers: the same breakers, asked in Redis at each try.

    leave = breaker_sync.enter(route.id, account_id=..., seconds=30)
    if leave is None: ...                       # it is open: another route, or later
    leave.failed() | leave.succeeded() | leave.dropped()

A worker tries a route some times a minute, so it keeps no copy and listens to nobody. With Redis away everything is let through, and
nobody waits for it more than once in a while.
"""

from __future__ import annotations

import functools
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

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

logger = logging.getLogger("catalog.breaker")

# After Redis was found away nobody asks it for so long
_PAUSE_SECONDS: Final = 0.5


class SyncPass:
    """Leave to try a route once. The first of its three words counts, and must come; none of them ever raises.

    A trial that nobody speaks for, since its process died, is over when the seconds of the try are.
    """

    def __init__(self, breakers: SyncBreakers, route_id: int, *, account_id: int, seconds: float, trial: str) -> None:
        self._say: Callable[[str], Any] = functools.partial(
            breakers.tell, route_id=route_id, account_id=account_id, seconds=seconds, trial=trial
        )
        self._over = False
        self.route_id = route_id
        self.trial = trial  # its token in Redis

    def failed(self) -> None:
        """The provider failed in a way that counts against it."""
        told = self._end("failed")
        if told and told[0].open and told[1]:
            logger.warning("a breaker opened", extra={"route_id": self.route_id, "open_seconds": told[0].seconds})

    def succeeded(self) -> None:
        """The provider has taken the work, or done it. To be said as soon as it is known."""
        told = self._end("succeeded")
        if told and told[1] and self.trial:
            logger.warning("a breaker closed", extra={"route_id": self.route_id})

    def dropped(self) -> None:
        """The try ended without a verdict on the provider, as by a refusal of what was asked."""
        if self.trial:
            self._end("dropped")

    def _end(self, event: str) -> tuple[Word, bool] | None:
        if self._over:
            return None
        self._over = True
        told: tuple[Word, bool] | None = self._say(event)
        return told


class SyncBreakers:
    """The breakers of all routes. Durations in seconds; without a `url` everything is let through."""

    def __init__(
        self,
        url: str,
        *,
        threshold: int = THRESHOLD,
        window_seconds: float = WINDOW_SECONDS,
        open_seconds: float = OPEN_SECONDS,
        longest_seconds: float = LONGEST_OPEN_SECONDS,
    ) -> None:
        self._url = url
        self._limits = functools.partial(
            limits, threshold=threshold, window_seconds=window_seconds, open_seconds=open_seconds, longest_seconds=longest_seconds
        )
        self._away_until = 0.0  # monotonic

    def enter(self, route_id: int, *, account_id: int, seconds: float) -> SyncPass | None:
        """Leave to try the route once, for `seconds` at most; None while it is open."""
        trial = secrets.token_hex(8)
        told = self.tell("enter", route_id=route_id, account_id=account_id, seconds=seconds, trial=trial)
        if told is not None:
            word, taken = told
            if word.open and not taken:
                return None
            trial = trial if taken else ""
        # else the trial may have been taken all the same
        return SyncPass(self, route_id, account_id=account_id, seconds=seconds, trial=trial)

    def tell(self, event: str, *, route_id: int, account_id: int, seconds: float, trial: str) -> tuple[Word, bool] | None:
        """How the route stands now, and whether `event` made it so; None while Redis is away. For `SyncPass`."""
        if not self._url or time.monotonic() < self._away_until:
            return None
        figures = self._limits(trial_seconds=seconds + TRIAL_MARGIN_SECONDS)
        try:
            text, news = self._change(keys=[NAME], args=[self._channel, figures, event, route_id, trial, account_id])
        except redis.RedisError as error:  # by its name only: an error's text may hold the address
            self._away_until = time.monotonic() + _PAUSE_SECONDS
            logger.warning("no talk with Redis about a breaker: %s", type(error).__name__, extra={"route_id": route_id})
            return None
        return Word.parse(text), bool(news)

    @functools.cached_property
    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(
            self._url,
            socket_connect_timeout=TALK_SECONDS,
            socket_timeout=TALK_SECONDS,
            # for a connection that went stale since the last time
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            client_name="beatra-breakers",
            decode_responses=True,
        )

    @functools.cached_property
    def _channel(self) -> str:
        return channel(self._client)

    @functools.cached_property
    def _change(self) -> Any:
        return self._client.register_script(SCRIPT)


@functools.cache
def _shared() -> SyncBreakers:
    return SyncBreakers(settings.REDIS_URL, threshold=settings.BREAKER_FAILURES)


def enter(route_id: int, *, account_id: int, seconds: float) -> SyncPass | None:
    """Leave for this account to try the route once; None: it is open, don't try it now.

    `seconds` is how long the try may last: if it is the trial of an open route and its process dies, the next one comes after that.
    """
    return _shared().enter(route_id, account_id=account_id, seconds=seconds)
