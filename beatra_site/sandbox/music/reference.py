"""Audio to go by: fetched as a provider does, and measured."""

from __future__ import annotations

import asyncio
import hashlib
import io
from dataclasses import dataclass

import aiohttp
from tinytag import TinyTag, TinyTagException

MOST_BYTES = 100 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True)
class Reference:
    """Its length in seconds, 0 for what is no audio, its size, and the name that its bytes give it."""

    seconds: float
    size: int
    digest: str


class FetchError(Exception):
    """Nothing could be fetched there."""


async def fetch(url: str) -> bytes:
    """What is at a URL. Raises FetchError unless it answers 200 with no more than 100 MiB within 30 s."""
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as client, client.get(url) as answer:
            data = await answer.content.read(MOST_BYTES + 1) if answer.status == 200 else b""
            while data and len(data) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES)):
                data += more
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise FetchError from error
    if not data or len(data) > MOST_BYTES:
        raise FetchError
    return data


async def measure(data: bytes) -> Reference:
    """Measures audio; in a thread, for the loop has other calls to serve."""
    return await asyncio.to_thread(_measured, data)


def _measured(data: bytes) -> Reference:
    try:
        seconds = TinyTag.get(filename="audio", file_obj=io.BytesIO(data), tags=False).duration or 0
    except (TinyTagException, ValueError, OverflowError):
        seconds = 0
    return Reference(seconds, len(data), hashlib.sha256(data).hexdigest())
