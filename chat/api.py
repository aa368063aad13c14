"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from chat import admission, completion, lifetime
from chat.schema import parse, unsupported
from contract import idempotency_key, request_id
from contract.async_view import AsyncAPIView
from contract.errors import ApiError
from contract.json_answer import JsonAnswer
from contract.strict_json import INLINE_BYTES


class ChatCompletions(AsyncAPIView):
    """Answer a conversation, as OpenAI's chat completions do. Held before the provider is asked, charged before the answer."""

    async def post(self, request: HttpRequest) -> HttpResponseBase:
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
