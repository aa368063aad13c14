"""A streamed chat call: the provider's chunks on their way to the caller, rebuilt one by one, and the charge before the last of them.

The call runs in a task of its own (`Stream.run`) and puts events into an outbox; the response takes them out (`chat.event_stream`). A
caller who leaves ends the response and not the call. What the caller sees, as OpenAI's `chat.completion.chunk` events: the role first,
then the deltas, then the chunk(s) with a `finish_reason`, then `[DONE]`. The last chunk with a `finish_reason` waits for the charge, so
that nobody holds a complete answer that was not charged, and carries the usage unless `include_usage` asks for a chunk of its own.

How it can end, after the first output:

    all choices finished                     complete        usage, [DONE]
    silence or the whole time is up, its
      limit is passed, shutdown, or, without
      a key, nobody reads                    cut_by_limit    finish_reason length, usage, [DONE]
    the provider stops it as unsafe          cut_by_limit    finish_reason content_filter, usage, [DONE]
    the caller leaves, without a key, and
      the route can be stopped               stopped         nobody reads; also before the first output
    he leaves otherwise, or does not read
      one with a key                         drained         its end, to nobody; who reads on, an error event
    the provider fails, or ends without
      a finish_reason                        upstream_failed error event; nothing is charged

Before it, other routes and models are tried (`chat.tries`): what a try that failed had sent until then leaves no trace.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Any, Literal

import orjson
from django.conf import settings
from django.core.exceptions import RequestAborted

from chat import charging, envelope, lifetime, probabilities, replays, tries, usage
from chat.admission import Call
from chat.attempts import Try
from chat.held import held
from chat.outbox import Outbox
from chat.transcript import Transcript
from chat.upstream import Chunk, transports
from chat.upstream.errors import Failed, OutOfTime, Unsafe, UpstreamError
from contract.errors import ApiError
from contract.exceptions import as_api_error, log

logger = logging.getLogger(__name__)

# A provider that has finished every choice sends its counts at once, or never
COUNTS_SECONDS = 5.0
TIMER_SLACK_SECONDS = 0.25
# The longest token of a large vocabulary. A provider that sends more than its limit comes to is not read for ever; each piece of its
# output counts as so many characters more, and log probabilities by their bytes.
CHARACTERS_PER_TOKEN = 128
SPARE_CHARACTERS = 64 * 1024
PIECE_CHARACTERS = 16

Cut = Literal["length", "content_filter", "stopped"]
"""How we broke an answer off: its finish_reason, or `stopped`, for a caller who has left."""


class _TooMuch(Failed):
    """The provider takes no notice of the output limit that it was given."""


class _Stopped(Failed):
    """We closed the provider's stream, for nobody reads it."""


def _not_read() -> ApiError:
    """The end of a stream with a key for a caller who reads on too late."""
    return ApiError(
        "idempotency_in_progress",
        "This stream was not read for too long. The call goes on without it: ask again with the same Idempotency-Key for the whole answer.",
    )


class Stream:
    """One streamed call. `outbox` fills while `run` runs; it is closed with an error if the answer could not be completed."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.outbox = Outbox(call.caller.account_id)
        self._task: asyncio.Task[Any] | None = None
        # Running while a provider is read
        self._limit: asyncio.Timeout | None = None
        self._start_over()

    def _start_over(self) -> None:
        """Nothing has come yet, of the model at hand."""
        call = self.call
        self._events = envelope.Events(id=call.id, created=call.created, model=call.model.id, usage_apart=call.request.usage_apart)
        self._transcript = Transcript() if call.keyed else None
        self._said = 0
        self._most_said = CHARACTERS_PER_TOKEN * call.most_completion_tokens + SPARE_CHARACTERS
        self._most_said += probabilities.BYTES_OF_ONE * probabilities.most(call.request, limit=call.offer.limit)
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        # The newest chunk with a finish_reason: the last one of all is sent with the charge
        self._last: dict[str, Any] | None = None
        self._counts: dict[str, Any] = {}
        # What came before the first output: another try's answer may take its place
        self._held_back: list[bytes] = []

    async def run(self) -> None:
        """Hold, ask, pass on, settle. In a task of its own (`chat.lifetime.spawn`); what goes wrong is the outbox's error."""
        self._task = asyncio.current_task()
        self.outbox.when_abandoned(self._caller_left)
        try:
            await self._run()
        except asyncio.CancelledError:
            self.outbox.close(lifetime.shutting_down())
            raise
        except Exception as error:
            answer = as_api_error(error)
            log(error, answer)
            self.outbox.close(answer)
        else:
            self.outbox.close()

    async def _run(self) -> None:
        call = self.call
        async with held(call):
            cut = await tries.answered(call, self._pass_on)
            broken_off: charging.BrokenOff | None = None if cut is None else "stopped" if cut == "stopped" else "cut_by_limit"
            self._close(cut)
            answer = await self._sealed()
            settlement = await charging.work_out(call, texts=call.texts, counts=self._counts, broken_off=broken_off, answer=answer)
        settled = await charging.settle(call, settlement)
        self._put_held_back()
        self.outbox.put(self._events.last(self._last, usage=charging.usage_of(settlement, settled)))

    def _caller_left(self) -> None:
        """End the reading where that is the end of the bill, too; else the call goes on without its caller."""
        self.call.caller_left = True
        if not self._is_stopped:
            assert self._task is not None
            lifetime.drained(self._task)
        elif self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    @property
    def _is_stopped(self) -> bool:
        """Whether the provider is to be left. One who has said all is waited for: its counts come at once."""
        return self.call.is_given_up and self.call.route.stoppable and not self._is_complete

    async def _pass_on(self, this: Try) -> Cut | None:
        """Pass the provider's output on until it ends, and say how it was cut, if it was.

        Raises `UpstreamError` where nothing of it is charged, RequestAborted where the caller left before anything was sent.
        """
        self._start_over()
        cut: Cut | None = None
        try:
            await self._read(this)
            if not (self._finished and self._finished >= self._begun):
                raise Failed("the stream ended without a finish reason")
        except (UpstreamError, asyncio.CancelledError) as end:
            if isinstance(end, _Stopped) and not this.is_sent:
                raise RequestAborted from None
            if not self._is_complete and (cut := self._cut_by(end)) is None:
                raise
            if isinstance(end, asyncio.CancelledError) and (task := asyncio.current_task()):
                task.uncancel()  # it goes on, to its charge
        if cut is not None:
            this.outcome = "stopped" if cut == "stopped" else "cut_by_limit"
            logger.warning("a stream was cut: %s", cut, extra={"route": self.call.route.name, "usage_id": self.call.id})
        return cut

    async def _read(self, this: Try) -> None:
        """Turn the provider's chunks into events, for as long as it and the caller keep to their time."""
        now = asyncio.get_running_loop().time
        end_at, begun = this.end_at, False
        try:
            async with asyncio.timeout_at(min(end_at, now() + settings.CHAT_FIRST_OUTPUT_SECONDS)) as limit:
                self._limit = limit
                async with aclosing(transports.of(self.call.route).stream(this.upstream_call)) as chunks:
                    async for chunk in chunks:
                        self._take(chunk)
                        if self._said > self._most_said:
                            raise _TooMuch("more output than its limit allows")
                        if not self.call.texts and not self._is_complete:
                            continue
                        if not begun:
                            begun = True
                            await this.begun()
                        if self.outbox.is_full:
                            await self._room(limit, end_at)
                        if self._is_stopped:
                            raise _Stopped("the caller has left")
                        silence = COUNTS_SECONDS if self._is_complete else settings.CHAT_SILENCE_SECONDS
                        until = min(end_at, now() + silence)
                        # A timer costs as much as the rest of a chunk
                        if abs(until - (limit.when() or 0)) > TIMER_SLACK_SECONDS:
                            limit.reschedule(until)
        except TimeoutError:
            if self._is_stopped:
                raise _Stopped("the caller has left") from None
            raise this.out_of_time("no output in time") from None
        finally:
            self._limit = None

    async def _room(self, limit: asyncio.Timeout, end_at: float) -> None:
        """Wait for a caller who reads slowly. One who does not read at all ends the call; with a key he has but left it, for a hole in
        the network is when a retry comes, and that is to get the whole answer."""
        unread_at = asyncio.get_running_loop().time() + settings.CHAT_UNREAD_SECONDS
        if self.call.keyed is None:
            limit.reschedule(min(end_at, unread_at))
            await self.outbox.room()
            return
        limit.reschedule(end_at)
        try:
            async with asyncio.timeout_at(unread_at):
                await self.outbox.room()
        except TimeoutError:
            logger.warning("a stream with a key is not read, and goes on for its retry", extra={"usage_id": self.call.id})
            self.outbox.give_up(_not_read())

    def _cut_by(self, end: BaseException) -> Cut | None:
        """The finish_reason of an answer that `end` broke off, none where it is a failure that nobody pays for."""
        if isinstance(end, _Stopped):
            return "stopped"
        if not self.call.texts:
            return None
        if isinstance(end, Unsafe):
            return "content_filter"
        # a shutdown that can't wait is a limit of ours too
        return "length" if isinstance(end, OutOfTime | _TooMuch | asyncio.CancelledError) else None

    @property
    def _is_complete(self) -> bool:
        """Whether every choice asked for has its finish_reason. A provider that gives fewer says so by a proper end."""
        return len(self._finished) >= self.call.request.choices

    def _take(self, chunk: Chunk) -> None:
        """Turn one chunk of the provider's into events. What has no output and no finish_reason leaves none."""
        if chunk.usage is not None:
            self._counts = chunk.usage
        for choice in chunk.choices:
            index, delta, reason = choice["index"], choice["delta"], choice.get("finish_reason")
            logprobs = choice.get("logprobs") if self.call.request.logprobs else None
            if index >= self.call.request.choices:  # nobody asked for it
                continue
            texts = list(usage.texts_of(delta))
            if texts or logprobs:
                if not self._goes_on(index):
                    continue
                self.call.texts += texts
                self._said += sum(map(len, texts)) + PIECE_CHARACTERS + (len(orjson.dumps(logprobs)) if logprobs else 0)
                if texts and self.call.first_output_ms is None:
                    self.call.first_output_ms = self.call.latency_ms
                self._flush_last()
                self._begin(index)
                self._put(envelope.part(index, delta, logprobs=logprobs))
            if reason and index not in self._finished:
                self._flush_last()
                self._finished.add(index)
                self._last = envelope.ending(index, reason)

    def _goes_on(self, index: int) -> bool:
        """Whether the choice may have more output: one whose finish_reason still waits had not ended after all."""
        if self._last is not None and self._last["index"] == index:
            self._last = None
            self._finished.discard(index)
        return index not in self._finished

    def _begin(self, index: int) -> None:
        if index not in self._begun:
            self._begun.add(index)
            self._put(envelope.beginning(index))

    def _flush_last(self) -> None:
        if self._last is not None:
            self._begin(self._last["index"])
            self._put(self._last)
            self._last = None

    def _put(self, choice: dict[str, Any]) -> None:
        if self._transcript is not None:
            self._transcript.take(choice)
        event = self._events.of(choice)
        if self.call.texts:
            self._put_held_back()
            self.outbox.put(event)
        else:
            self._held_back.append(event)

    def _put_held_back(self) -> None:
        for event in self._held_back:
            self.outbox.put(event)
        self._held_back.clear()

    def _close(self, cut: Cut | None) -> None:
        """End every choice that was cut. The last end of all is left for the charge."""
        if cut == "stopped":  # nobody reads
            return
        if cut is not None:
            for index in sorted(self._begun - self._finished):
                self._flush_last()
                self._last = envelope.ending(index, cut)
        if self._last is not None:
            self._begin(self._last["index"])

    async def _sealed(self) -> bytes:
        """What is stored for a retry: all that was sent, and the end that waits for the charge."""
        if self._transcript is None:
            return b""
        if self._last is not None:
            self._transcript.take(self._last)
        return await replays.sealed(self.call, self._transcript.choices(), size=self._said)
