"""The native transport: OpenAI's dialect over aiohttp, with no library between us and the bytes, at some 100 us of CPU a call.

One request goes out once. aiohttp repeats no POST on a connection that the provider has just closed, and neither do we: a provider may
have begun to answer, and bill, what it never answered. Connections are pooled for less long than providers keep them.
"""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from chat.upstream import MAX_ANSWER_BYTES, Answer, Chunk, UpstreamCall
from chat.upstream.body import body_of
from chat.upstream.errors import Failed, Misconfigured, TimedOut, UpstreamError
from chat.upstream.events import Events
from chat.upstream.refusals import of_answer, raise_refusal
from chat.upstream.whitelist import StreamWhitelist, answer
from contract.strict_json import INLINE_BYTES

MAX_ERROR_BYTES = 64 * 1024
KEEP_ALIVE_SECONDS = 15.0
LINGER_SECONDS = 0.1
"""How long the end of a body is waited for after `[DONE]`, so that its connection can be used again."""
DONE = b"[DONE]"
_NO_EVENT = (b"{", b"[", b"<")
"""How a body begins that is JSON or a page in place of a stream."""


class _Body(aiohttp.BytesPayload):
    """A request's body that tells when it goes out."""

    def __init__(self, value: bytes, *, on_sent: Callable[[], None]) -> None:
        super().__init__(value, content_type="application/json")
        self._on_sent = on_sent

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._on_sent()
        await super().write_with_length(writer, content_length)


class NativeTransport:
    """One pool of connections per process: `open` it before the first call, `close` it after the last."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            # How many calls are in flight is bounded by their callers' holds, not here
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "beatra", "Accept-Encoding": "identity", "Content-Type": "application/json"},
            trust_env=False,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def complete(self, call: UpstreamCall) -> Answer:
        """The whole answer. Raises `UpstreamError`."""
        response = await self._post(call, body_of(call))
        try:
            body = await _read(response, MAX_ANSWER_BYTES)
            return await asyncio.to_thread(_rebuilt, body) if len(body) > INLINE_BYTES else _rebuilt(body)
        except (aiohttp.ClientError, OSError):
            raise Failed("the connection broke in mid-answer") from None
        finally:
            response.close()

    async def stream(self, call: UpstreamCall) -> AsyncGenerator[Chunk]:
        """The answer as it comes. Raises `UpstreamError`, before or between the chunks."""
        response = await self._post(call, body_of(call, stream=True))
        try:
            events, whitelist = Events(), StreamWhitelist()
            content = response.content
            received = (await content.readany()).removeprefix(codecs.BOM_UTF8)
            if not received or received.lstrip()[:1] in _NO_EVENT:
                parsed(received + await _read(response, MAX_ERROR_BYTES))
                raise Failed("the answer is no stream")
            while received:
                for data in events.feed(received):
                    if data == DONE:
                        await _linger(content)
                        return
                    if chunk := whitelist.chunk(parsed(data)):
                        yield chunk
                received = await content.readany()
            for data in events.end():
                if data != DONE and (chunk := whitelist.chunk(parsed(data))):
                    yield chunk
        except (aiohttp.ClientError, OSError):
            raise Failed("the connection broke in mid-answer") from None
        finally:
            response.close()

    async def _post(self, call: UpstreamCall, body: bytes) -> aiohttp.ClientResponse:
        """The 200 to `body`, its own body unread. Raises what any other answer means."""
        if self._session is None:
            raise RuntimeError("the native transport is not open")
        route = call.route
        if not route.base_url:
            raise Misconfigured("the route has no address")
        key = route.api_key() if route.credential_env else None
        try:
            response = await self._session.post(
                _url(route.base_url),
                data=_Body(body, on_sent=call.on_sent),
                headers={"Authorization": f"Bearer {key}"} if key else None,
                allow_redirects=False,
                timeout=_timeout(call.connect_seconds),
            )
        except aiohttp.ConnectionTimeoutError:
            raise TimedOut("no connection in time") from None
        except aiohttp.ClientConnectorError:
            raise Failed("the provider can't be reached") from None
        except (aiohttp.InvalidURL, ValueError):
            raise Misconfigured("the route's address or credential can't be sent") from None
        except (aiohttp.ClientError, OSError):
            raise Failed("the connection broke before an answer") from None
        if response.status == 200:
            return response
        raise await _refused(response)


async def _refused(response: aiohttp.ClientResponse) -> UpstreamError:
    """The error of an answer that is no 200."""
    if response.status < 400:
        response.close()
        return Misconfigured(f"the provider answered {response.status}", status=response.status)
    body = b""
    with suppress(aiohttp.ClientError, OSError, Failed):  # its status says enough
        body = await _read(response, MAX_ERROR_BYTES)
    response.close()
    return of_answer(response.status, body, retry_after=response.headers.get("Retry-After"))


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """The body. Raises Failed if it is longer than that."""
    parts, length = [], 0
    while part := await response.content.readany():
        parts.append(part)
        length += len(part)
        if length > most_bytes:
            raise Failed("the answer is too long")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _rebuilt(body: bytes) -> Answer:
    return answer(parsed(body), size=len(body))


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`. Raises Failed if there is none, or the error that it carries."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        if (value := _half_characters(data)) is None:
            raise Failed("the answer is no JSON") from None
    if not isinstance(value, dict):
        raise Failed("the answer has another shape")
    raise_refusal(value)
    return value


def _half_characters(data: bytes) -> Any:
    """JSON that orjson refuses for half a character in a text, as where a provider cut an emoji in two; None for other things."""
    try:
        return json.loads(data) if rb"\u" in data else None
    except (ValueError, RecursionError):
        return None


async def _linger(content: aiohttp.StreamReader) -> None:
    with suppress(TimeoutError, aiohttp.ClientError, OSError):  # all that was said is said
        async with asyncio.timeout(LINGER_SECONDS):
            while await content.readany():
                pass


@lru_cache(maxsize=1024)
def _url(base_url: str) -> URL:
    return URL(f"{base_url}/chat/completions")


@lru_cache(maxsize=64)
def _timeout(connect_seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_seconds)
