"""What one process says to all on a channel of Redis, heard by a subscription that survives the loss of its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

_CONNECT_SECONDS: Final = 5
_PING_SECONDS: Final = 15
_SHORTEST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0


async def subscribe(
    channel: str,
    *,
    url: str,
    client_name: str,
    joined: Callable[[], Awaitable[None]],
    heard: Callable[[str], None],
    lost: Callable[[Exception], None],
) -> None:
    """Pass every message on `channel` to `heard`, for ever, reconnecting with growing pauses of at most five seconds.

    `joined` is awaited whenever the subscription stands (again): what was said before was missed, what is said from then on is
    heard after it. `lost` is called once each time it is gone, or could not be had; whatever the other two raise ends it too.
    """
    pause_seconds = _SHORTEST_PAUSE_SECONDS
    away = False
    while True:
        # no retries of redis-py's own: a connection lost unseen would be messages missed unseen
        client = redis.asyncio.Redis.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            # redis-py's own is an asyncio.wait_for, which may swallow the cancellation that ends this, before Python 3.12
            socket_timeout=None,
            socket_keepalive=True,
            health_check_interval=_PING_SECONDS,
            client_name=client_name,
            decode_responses=True,
        )
        try:
            async with client, client.pubsub() as subscription:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await subscription.subscribe(channel)
                while True:
                    message = await subscription.get_message(timeout=_PING_SECONDS)
                    if message is None:
                        continue
                    if message["type"] == "message":
                        heard(message["data"])
                    elif message["type"] == "subscribe":
                        await joined()
                        pause_seconds, away = _SHORTEST_PAUSE_SECONDS, False
        except Exception as error:
            if not away:
                away = True
                lost(error)
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
