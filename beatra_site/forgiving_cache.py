"""Django's Redis cache, whose absence is no error: while Redis is away each process counts for itself.

It holds the counts of sign-in's rate limits. They may be forgotten, but a limit that is gone when Redis is would be an invitation.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# A Redis that does not answer costs a time-out each time it is asked
_LEFT_ALONE_SECONDS: Final = 2.0
_MOST_ENTRIES: Final = 10_000

_away_until: dict[str, float] = {}  # by the server's address; Django makes a cache object per thread


def _forgiving(name: str) -> Callable[..., Any]:
    asked = getattr(RedisCache, name)

    @wraps(asked)
    def ask(self: ForgivingRedisCache, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() >= _away_until.get(self.address, 0.0):
            try:
                return asked(self, *args, **kwargs)
            except RedisError as error:
                _away_until[self.address] = time.monotonic() + _LEFT_ALONE_SECONDS
                logger.warning("cache away: %s", type(error).__name__)
        return getattr(self.own, name)(*args, **kwargs)

    return ask


class ForgivingRedisCache(RedisCache):
    """Redis while it is there, this process's own memory while it is not."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.address = server
        self.own = LocMemCache(server, {**params, "OPTIONS": {"MAX_ENTRIES": _MOST_ENTRIES}})

    add = _forgiving("add")
    get = _forgiving("get")
    set = _forgiving("set")
    touch = _forgiving("touch")
    delete = _forgiving("delete")
    has_key = _forgiving("has_key")
    incr = _forgiving("incr")
    get_many = _forgiving("get_many")
    set_many = _forgiving("set_many")
    delete_many = _forgiving("delete_many")
