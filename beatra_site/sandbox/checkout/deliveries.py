"""Signed webhooks, as Stripe sends them: in no order, again with growing pauses until they are answered 2xx."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
import orjson

from beatra_site.sandbox.checkout.book import new_id

_PAUSES_SECONDS: Final = (0.2, 0.5, 1, 2, 5, 10, 30, 60, 60, 60, 300, 300, 300, 1800)
_TIMEOUT: Final = aiohttp.ClientTimeout(total=20)


def signature(secret: str, body: bytes) -> str:
    """The Stripe-Signature header of a body that is sent now."""
    now = int(time.time())
    return f"t={now},v1={hmac.new(secret.encode(), b'%d.' % now + body, hashlib.sha256).hexdigest()}"


class Returns(Protocol):
    """What knows the page of the shop that its customer comes back to."""

    @property
    def success_url(self) -> str: ...


class Deliveries:
    """The events on their way. `secret` signs them; they go to the site that its customer returns to."""

    def __init__(self, *, secret: str) -> None:
        self._secret = secret
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, session: Returns, type: str, about: dict[str, Any]) -> None:
        """Send an event of `type` about a JSON object, in the background."""
        if not self._secret:
            return
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(time.time()),
            "data": {"object": about},
            "livemode": False,
            "type": type,
        }
        site = urlsplit(session.success_url)
        url = f"{site.scheme}://{site.netloc}/webhooks/sandbox"
        task = asyncio.create_task(self._deliver(url, orjson.dumps(event)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, url: str, body: bytes) -> None:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as client:
            for pause_seconds in _PAUSES_SECONDS:
                headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature(self._secret, body)}
                try:
                    async with client.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                        if 200 <= answer.status < 300:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(pause_seconds)
