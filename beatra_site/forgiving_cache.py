"""Django's Redis cache, whose absence is no error: what it holds, the counts of sign-in's rate limits, may be forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def _forgiving(name: str, answer: Callable[[], Any]) -> Callable[..., Any]:
    asked = getattr(RedisCache, name)

    @wraps(asked)
    def ask(self: RedisCache, *args: Any, **kwargs: Any) -> Any:
        try:
            return asked(self, *args, **kwargs)
        except RedisError as error:
            logger.warning("cache away: %s", type(error).__name__)
            return answer()

    return ask


class ForgivingRedisCache(RedisCache):
    """Answers as an empty cache would while Redis is away."""

    add = _forgiving("add", lambda: True)
    set = _forgiving("set", lambda: None)
    touch = _forgiving("touch", lambda: False)
    delete = _forgiving("delete", lambda: False)
    has_key = _forgiving("has_key", lambda: False)
    get_many = _forgiving("get_many", dict)
    set_many = _forgiving("set_many", list)
    delete_many = _forgiving("delete_many", lambda: None)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        try:
            return super().get(key, default, version)
        except RedisError as error:
            logger.warning("cache away: %s", type(error).__name__)
            return default
