"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from chat import admission, completion, document, lifetime
from chat.schema import parse, unsupported
from contract import idempotency_key, request_id
from contract.async_view import AsyncAPIView
from contract.errors import ApiError
from contract.json_answer import JsonAnswer
from contract.operation import documented
from contract.strict_json import INLINE_BYTES


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
        if asked.stream:
            raise unsupported(["stream"])
        call = await admission.prepare(request.auth, asked, request_id=request_id.current(), long=long)  # type: ignore[attr-defined]  # set by the view
        task = lifetime.spawn(completion.run(call))
        try:
            # Shielded: a caller who hangs up cancels this view, and the call goes on to its charge.
            return JsonAnswer(await asyncio.shield(task))
        except asyncio.CancelledError:
            if task.cancelled():
                raise ApiError("service_unavailable", "The server is shutting down. Nothing was charged.") from None
            call.caller_left = True
            raise
