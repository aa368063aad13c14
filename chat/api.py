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


class ChatCompletions(AsyncAPIView):
    """Answer a conversation, as OpenAI's chat completions do. Held before the provider is asked, charged before the answer."""

    async def post(self, request: HttpRequest) -> HttpResponseBase:
        idempotency_key.given(request)
        body = parse(await self.json(request))
        if body.stream:
            raise unsupported(["stream"])
        call = await admission.prepare(request.auth, body, request_id=request_id.current(), size_bytes=len(request.body))  # type: ignore[attr-defined]  # set by the view
        task = lifetime.spawn(completion.run(call))
        try:
            # Shielded: a caller who hangs up cancels this view, and the call goes on to its charge.
            return JsonAnswer(await asyncio.shield(task))
        except asyncio.CancelledError:
            if task.cancelled():
                raise ApiError("service_unavailable", "The server is shutting down. Nothing was charged.") from None
            call.caller_left = True
            raise
