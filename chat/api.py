"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from chat import completion, document, envelope, lifetime, replays
from chat.admission import Call
from chat.event_stream import EventStream
from chat.stream import Stream
from chat.view import ChatView
from contract import idempotency_key
from contract.exceptions import as_api_error, log
from contract.json_answer import JsonAnswer
from contract.operation import documented
from keys.caller import Caller
from wallets.refusals import AlreadyAnswered

# A slow caller gets so many times CHAT_UNREAD_SECONDS to read what the outbox may hold at the end of a call
PATIENCE = 5


class ChatCompletions(ChatView):
    """Answer a conversation, as OpenAI's chat completions do. Held before the provider is asked, charged before the answer."""

    @documented(document.CREATE_CHAT_COMPLETION)
    async def post(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a conversation.

        As OpenAI's chat completions do, with the price in `usage`. The most it may cost is held before a provider is asked, and the
        charge takes its place before the answer is sent; a call that fails costs nothing.

        With `stream: true` the answer is `text/event-stream`: each event is `data: ` and one chunk, the last is `data: [DONE]`; lines
        that begin with `:` keep the connection alive. A failure before the first output is an ordinary error with its own status; a later
        one is an event `data: {"error": {...}}` and the end of the stream, without `[DONE]`.

        With an `Idempotency-Key` a retry gets the same answer, with `Idempotent-Replayed: true`, and is free; a stream is sent again as a
        stream, in fewer parts. Such a call is finished for its retry also when you leave, and charged in full. So it is when you do not
        read its stream for a minute; if you read on after that, it ends with the error event `idempotency_in_progress`: ask again.
        """
        caller: Caller = request.auth  # type: ignore[attr-defined]  # set by the view
        key = idempotency_key.given(request)
        body = await self.json(request)
        if key is None:
            return await _answered(await self.call_of(request, body))
        keyed = await replays.keyed(request, body, key=key, caller=caller)
        if (replay := await replays.replay(keyed, caller=caller)) is not None:
            return replay
        call = await self.call_of(request, body)
        call.keyed = keyed
        try:
            return await _answered(call)
        except AlreadyAnswered as late:
            if (replay := await replays.replay(keyed, caller=caller)) is not None:
                return replay
            raise late


async def _answered(call: Call) -> HttpResponseBase:
    request = asyncio.current_task()
    if request is not None and request.cancelling():
        # The caller left, and an await has kept it to itself: before Python 3.12 asyncio.wait_for, which psycopg waits with, can do that.
        # Nobody would tell the call any more.
        raise asyncio.CancelledError
    if lifetime.is_over():
        raise lifetime.shutting_down()
    return await (_streamed if call.request.stream else _whole)(call)


async def _whole(call: Call) -> HttpResponseBase:
    task = lifetime.spawn(completion.run(call))
    try:
        # Shielded: a caller who hangs up cancels this view, and the call goes on to its charge.
        return JsonAnswer(await asyncio.shield(task))
    except asyncio.CancelledError:
        if task.cancelled():
            raise lifetime.shutting_down() from None
        call.caller_left = True
        lifetime.drained(task)
        task.add_done_callback(_log_crash)
        raise


def _log_crash(task: asyncio.Task[Any]) -> None:
    """What went wrong with a call whose caller has left: nobody else would say it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log(error, as_api_error(error))


async def _streamed(call: Call) -> HttpResponseBase:
    """The answer as events, begun with the first output or after the first wait; until then a failure is a plain answer."""
    stream = Stream(call)
    outbox, request_id = stream.outbox, call.request_id
    task = lifetime.spawn(stream.run())
    del stream, call  # a caller who reads slowly keeps the outbox alive, and nothing else
    try:
        await outbox.wait(settings.CHAT_KEEP_ALIVE_SECONDS)
    except asyncio.CancelledError:
        outbox.abandon()
        raise
    if outbox.error is not None:
        raise outbox.error
    reader = asyncio.current_task()
    assert reader is not None
    task.add_done_callback(partial(_expect_end, reader))
    return StreamingHttpResponse(
        EventStream(outbox, request_id=request_id), content_type=envelope.STREAM_TYPE, headers=envelope.STREAM_HEADERS
    )


def _expect_end(reader: asyncio.Task[Any], call: asyncio.Task[Any]) -> None:
    """Give `reader`, the task of a response whose call has ended, some time for the rest: a caller who never reads holds no memory."""
    if not reader.done():
        alarm = asyncio.get_running_loop().call_later(PATIENCE * settings.CHAT_UNREAD_SECONDS, reader.cancel)
        reader.add_done_callback(lambda _: alarm.cancel())
