"""Django's ASGI handler without what an async API does not use: 60 us of it instead of 400 per empty request.

No signals, no middleware, no thread-sensitive context, no spooled file. What stays: Django's request, URL patterns and
responses. It relies on the edge around it for the Host check and the limit of the body, and serves async views only. The
ORM's connections are closed by the signals left out here: a view that needs it goes to threads that give theirs back
themselves (tasks_app/uploads/threads.py).
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
from contract.body_stream import BodyStream
from contract.exceptions import as_api_error, error_response, log
from contract.held_bytes import HeldBytes, of_request
from contract.http_protocol import ABORT
from contract.resolving import on_behalf_of


class LeanHandler(ASGIHandler):
    """`LeanHandler()` serves the paths of ROOT_URLCONF.

    A caller who hangs up cancels the view or the stream at hand, which sees CancelledError (a stream: at its `await`, or
    GeneratorExit at its `yield`); work that must outlive the caller belongs in a task of its own, and takes over what the request
    holds (`held_bytes.of_request`).
    A view class with `streams_body = True` reads its body itself, from `request.body_stream`, within `body_seconds`.
    A caller who does not read a long answer is hung up on; one that streams sees to that itself, or has `unread_seconds` and is hung up
    on when a part of it waits for so long.
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
        watch = _HangUp(task, receive)
        view = getattr(request.resolver_match.func, "view_class", None)  # type: ignore[union-attr]  # the look at the head has found it
        seconds = getattr(view, "body_seconds", limits.BODY_SECONDS)
        stream = BodyStream(receive, seconds=seconds, at_end=watch.listen, at_hang_up=watch.hang_up)
        try:
            if getattr(view, "streams_body", False):
                request.body_stream = stream  # type: ignore[attr-defined]  # a name of ours
            else:
                # set beforehand, so that DATA_UPLOAD_MAX_MEMORY_SIZE has no say: the edge limits bodies
                request._body = await _whole(stream, held)  # it is kept there alone, where a view can let go of it
            del stream
            response = await self._answer(request)
            del request  # a caller who reads a stream slowly keeps the answer in memory, not the question
            held.hold(0 if response.streaming else len(response.content))  # type: ignore[attr-defined]  # an HttpResponse
            await self._send(response, send, _aborting(scope))
        except asyncio.CancelledError:
            if not watch.heard:
                raise
            task.uncancel()
        finally:
            held.drop()
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
            seconds: float | None = getattr(response, "unread_seconds", None)
            source: Any = response._iterator  # type: ignore[attr-defined]  # the view's own generator: Django's wrappers don't close it
            async with aclosing(source) as parts:
                await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
                async for part in parts:
                    message = {"type": "http.response.body", "body": response.make_bytes(part), "more_body": True}
                    if seconds is None:
                        await send(message)
                    else:
                        await _send_in_time(message, send, abort, seconds=seconds)
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


async def _send_in_time(message: Message, send: Send, abort: Callable[[], Any], *, seconds: float | None = None) -> None:
    alarm = asyncio.get_running_loop().call_later(limits.UNREAD_SECONDS if seconds is None else seconds, abort)
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
        self._answering: asyncio.Task[Any] | None = answering
        self._receive = receive
        self._task: asyncio.Task[Any] | None = None

    def listen(self) -> None:
        """Nothing is to be received any more but that he leaves."""
        self._task = asyncio.create_task(self._listen())

    def hang_up(self) -> None:
        """He has left."""
        self.heard = True
        if self._answering is not None:
            self._answering.cancel()

    def stop(self) -> None:
        """Listen no more. It lets go of both tasks: else every request would be a cycle that waits for the garbage collector."""
        if self._task is not None:
            self._task.cancel()
        self._task = self._answering = None

    async def _listen(self) -> None:
        if (await self._receive())["type"] == "http.disconnect":
            self.hang_up()


async def _whole(stream: BodyStream, held: HeldBytes) -> bytes:
    """The whole body. Raises ApiError rate_limited if too much is held for its caller already, and as the stream does."""
    parts: list[bytes] = []
    try:
        while part := await stream.read():
            held.take_in(len(part))
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        parts.clear()  # the traceback of a refusal keeps this frame, while the caller is still listened to
