"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio
from typing import Any

from django.http import HttpRequest, HttpResponse

from chat import completion, lifetime
from chat.schema import parse, unsupported
from contract import request_id
from contract.async_view import AsyncAPIView
from keys.authentication import authenticate


class ChatCompletions(AsyncAPIView):
    """Answer a conversation. OpenAI-compatible; charged at the end of the call, held before it."""

    authenticator = staticmethod(authenticate)

    async def post(self, request: HttpRequest) -> HttpResponse:
        ...
