"""Django's ASGI handler without what an async API does not use: 60 us of it instead of 400 per empty request.

No signals, no middleware, no thread-sensitive context, no spooled file. What stays: Django's request, URL patterns and
responses. It relies on the edge around it for the Host check and the limit of the body, and serves async views only; a view
may not touch the ORM, whose connections are closed by the signals left out here.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, get_resolver

from contract import limits
from contract.asgi import Message, Receive, Scope, Send
from contract.errors import ApiError
from contract.exceptions import as_api_error, error_response, log
from contract.held_bytes import HeldBytes, of_request
from contract.http_protocol import ABORT
from contract.resolving import on_behalf_of


class LeanHandler(ASGIHandler):
    """`LeanHandler()` serves the paths of ROOT_URLCONF.

    A caller who hangs up cancels the view or the stream at hand, which sees CancelledError (a stream: at its `await`, or
    GeneratorExit at its `yield`); work that must outlive the caller belongs in a task of its own, and takes over what the request
    holds (`held_bytes.of_request`).
    A caller who does not read a long answer is hung up on.
    A crash of a stream after its first byte is logged and passed on, so that the connection is cut.
    """

    def __init__(self) -> None:
        # not ASGIHandler's own, which loads the middleware
        self._static_matches: dict[str, ResolverMatch] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the head and who calls, read the body, call the view, send its answer."""
        request = ASGIRequest(scope, BytesIO())
        if (refusal := await self._refusal(request)) is not None:
            await self._send(refusal, send, _aborting(scope))
            return
        task = asyncio.current_task()
        assert task is not None
        held = HeldBytes(on_behalf_of.get())
        of_request.set(held)
        watch = None
        try:
            body = await _read(receive, held)
            if body is None:
                return
            request._body = body  # set beforehand, so that DATA_UPLOAD_MAX_MEMORY_SIZE has no say: the edge limits bodies
            del body  # it is kept there alone, where a view can let go of it
            watch = _HangUp(task, receive)
            response = await self._answer(request)
            del request  # a caller who reads a stream slowly keeps the answer in memory, not the question
            held.hold(0 if response.streaming else len(response.content))  # type: ignore[attr-defined]  # an HttpResponse
            await self._send(response, send, _aborting(scope))
        except asyncio.CancelledError:
            if watch is None or not watch.heard:
                raise
            task.uncancel()
        finally:
            held.drop()
            if watch is not None:
                watch.stop()

    async def _refusal(self, request: ASGIRequest) -> HttpResponseBase | None:
        """The answer to a request that its head already condemns, or that a stranger sends: nobody's body is read for that."""
        try:
            request.resolver_match = match = self._match(request.path_info)
            if check_head := getattr(getattr(match.func, "view_class", None), "check_head", None):
                await check_head(request)
            return None
        except Exception as exc:
            return _failed(exc)

    async def _answer(self, request: ASGIRequest) -> HttpResponseBase:
        try:
            match = request.resolver_match
            assert match is not None
            response: HttpResponseBase = await match.func(request, *match.args, **match.kwargs)
            return response
        except Exception as exc:
            return _failed(exc)

    def _match(self, path: str) -> ResolverMatch:
        """The view of a path. Those without a parameter are as many as the URL patterns, and are remembered."""
        match = self._static_matches.get(path)
        if match is None:
            match = get_resolver(settings.ROOT_URLCONF).resolve(path)
            if not match.args and not match.kwargs:
                self._static_matches[path] = match
        return match

    async def _send(self, response: HttpResponseBase, send: Send, abort: Callable[[], Any]) -> None:
        headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
        if response.streaming:
            source: Any = response._iterator  # type: ignore[attr-defined]  # the view's own generator: Django's wrappers don't close it
            async with aclosing(source) as parts:
                await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
                async for part in parts:
                    await send({"type": "http.response.body", "body": response.make_bytes(part), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            content: bytes = response.content  # type: ignore[attr-defined]  # an HttpResponse
            if not response.has_header("Content-Length"):
                headers.append((b"Content-Length", b"%d" % len(content)))
            await _send_whole({"type": "http.response.start", "status": response.status_code, "headers": headers}, content, send, abort)


def _failed(exc: Exception) -> HttpResponseBase:
    error = as_api_error(exc)
    log(exc, error)
    return error_response(error)


async def _send_whole(start: Message, content: bytes, send: Send, abort: Callable[[], Any]) -> None:
    """Send an answer as fast as the caller reads it; `abort` if he does not."""
    size = limits.ANSWER_PIECE
    await _send_in_time(start, send, abort)
    for at in range(0, len(content) or 1, size):
        piece = {"type": "http.response.body", "body": content[at : at + size], "more_body": at + size < len(content)}
        await _send_in_time(piece, send, abort)


async def _send_in_time(message: Message, send: Send, abort: Callable[[], Any]) -> None:
    alarm = asyncio.get_running_loop().call_later(limits.UNREAD_SECONDS, abort)
    try:
        await send(message)
    finally:
        alarm.cancel()


def _aborting(scope: Scope) -> Callable[[], Any]:
    """What ends the connection; under a server that has no such thing, what ends the task at hand."""
    task = asyncio.current_task()
    assert task is not None
    abort: Callable[[], Any] = scope.get("state", {}).get(ABORT, task.cancel)
    return abort


class _HangUp:
    """Cancels the task that answers when the caller closes his connection."""

    def __init__(self, answering: asyncio.Task[Any], receive: Receive) -> None:
        self.heard = False
        self._answering = answering
        self._task = asyncio.create_task(self._listen(receive))

    async def _listen(self, receive: Receive) -> None:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            self.heard = True
            self._answering.cancel()

    def stop(self) -> None:
        """Listen no more. It lets go of both tasks: else every request would be a cycle that waits for the garbage collector."""
        self._task.cancel()
        del self._task, self._answering


async def _read(receive: Receive, held: HeldBytes) -> bytes | None:
    """The whole body, or None if the caller left while sending it.

    Raises ApiError invalid_request if it does not come in time, rate_limited if too much is held for him already.
    """
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(limits.BODY_SECONDS):
            while True:
                async with asyncio.timeout(limits.BODY_SILENCE_SECONDS):
                    message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                if body := message.get("body"):
                    held.take_in(len(body))
                    parts.append(body)
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        raise ApiError("invalid_request", "The body did not come in time.") from None
    finally:
        parts.clear()  # the traceback of a refusal keeps this frame, while the caller is still listened to
