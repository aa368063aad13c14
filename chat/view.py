"""What the views of a chat's body have in common: from the request to the priced call."""

from __future__ import annotations

import asyncio
from typing import Any

from django.http import HttpRequest

from chat import admission
from chat.admission import Call
from chat.schema import parse
from contract import request_id
from contract.async_view import AsyncAPIView
from contract.strict_json import INLINE_BYTES


class ChatView(AsyncAPIView):
    """A view whose body is a chat completion's."""

    async def call_of(self, request: HttpRequest, body: dict[str, Any]) -> Call:
        """The call that the body, parsed JSON, asks for, priced; nothing is held. The request's own body is let go.

        Raises `ApiError` for a body or a choice of model that won't do.
        """
        long = len(request.body) > INLINE_BYTES
        request._body = b""  # what it said is in `body`: a call keeps no bytes that nobody reads any more
        asked = await asyncio.to_thread(parse, body) if long else parse(body)
        return await admission.prepare(request.auth, asked, request_id=request_id.current(), long=long)  # type: ignore[attr-defined]  # set by the view
