"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from chat import admission, completion, document, lifetime
from chat.admission import Call
from chat.schema import parse
from chat.stream import Events, Stream
from contract import idempotency_key, request_id
from contract.async_view import AsyncAPIView
from contract.errors import ApiError
from contract.json_answer import JsonAnswer
from contract.operation import documented
from contract.strict_json import INLINE_BYTES

# `X-Accel-Buffering` keeps nginx from collecting the events
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class ChatCompletions(AsyncAPIView):
    """Answer a conversation, as OpenAI's chat completions do. Held before the provider is asked, charged before the answer."""

    @documented(document.CREATE_CHAT_COMPLETION)
    async def post(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a conversation.

        As OpenAI's chat completions do, with the price in `usage`. The most it may cost is held before a provider is asked, and the
        charge takes its place before the answer is sent; a call that fails costs nothing.

        With `stream: true` the answer is `text/event-stream`: each event is `data: ` and one chunk, the last is `data: [DONE]`; lines
        that begin with `:` keep the connection alive. A failure before the first output is an ordinary error with its own status; a later
        one is an event `data: {"error": {...}}` and the end of the stream, without `[DONE]`.
        """
        idempotency_key.given(request)
        body = await self.json(request)
        long = len(request.body) > INLINE_BYTES
        asked = await asyncio.to_thread(parse, body) if long else parse(body)
        call = await admission.prepare(request.auth, asked, request_id=request_id.current(), long=long)  # type: ignore[attr-defined]  # set by the view
        return await _streamed(call) if asked.stream else await _whole(call)


async def _whole(call: Call) -> HttpResponseBase:
    task = lifetime.spawn(completion.run(call))
    try:
        # Shielded: a caller who hangs up cancels this view, and the call goes on to its charge.
        return JsonAnswer(await asyncio.shield(task))
    except asyncio.CancelledError:
        if task.cancelled():
            raise ApiError("service_unavailable", "The server is shutting down. Nothing was charged.") from None
        call.caller_left = True
        raise


async def _streamed(call: Call) -> HttpResponseBase:
    """The answer as events, begun with the first output or after the first wait; until then a failure is a plain answer."""
    stream = Stream(call)
    events = Events(stream, request_id=call.request_id)
    lifetime.spawn(stream.run())
    try:
        await stream.outbox.wait(settings.CHAT_KEEP_ALIVE_SECONDS)
    except asyncio.CancelledError:
        await events.aclose()
        raise
    if stream.outbox.error is not None:
        raise stream.outbox.error
    return StreamingHttpResponse(events, content_type="text/event-stream; charset=utf-8", headers=STREAM_HEADERS)
