"""An answer on its way to the client, streamed or whole, in OpenAI's wire format.

It goes through the stations that `faults.py` calls positions, and a fault may halt, stall or end it at each.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterator
from typing import Any

import orjson

from beatra_site.sandbox.calls import Call
from beatra_site.sandbox.control import Control
from beatra_site.sandbox.errors import ProviderError
from beatra_site.sandbox.exchange import EndedError, Exchange
from beatra_site.sandbox.faults import Fault, Position
from beatra_site.sandbox.generation import Choice, Delta
from beatra_site.sandbox.request import ChatRequest
from beatra_site.sandbox.usage import MISSING, reported_usage, true_usage
from beatra_site.sandbox.wire import EventWriter, garbage_body

ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 404: "invalid_request_error", 429: "rate_limit_error"}


class Delivery:
    """The answer to one call, on its way to the client."""

    def __init__(
        self, exchange: Exchange, call: Call, request: ChatRequest, fault: Fault, control: Control | None, *, chunk_ms: float
    ) -> None:
        self._exchange = exchange
        self._call = call
        self._request = request
        self._fault = fault
        self._control = control
        self._chunk_seconds = (chunk_ms if fault.chunk_ms is None else fault.chunk_ms) / 1000
        self._id = f"chatcmpl-{hashlib.sha256(f'{time.time_ns()}/{id(self)}'.encode()).hexdigest()[:24]}"
        self._created = int(time.time())
        self._events = EventWriter(exchange, wire=fault.wire)

    async def reach(self, position: Position) -> None:
        """Passes a station: waits there, or ends there (raises EndedError), if the fault says so."""
        fault = self._fault
        if position == "start" and fault.latency_ms:
            await self._exchange.wait(fault.latency_ms / 1000)
        if fault.gate is not None and fault.gate_at == position:
            await self._wait_at(fault.gate)
        if fault.stall_ms is not None and fault.stall_at == position:
            await self._silence(None if fault.stall_ms == "forever" else fault.stall_ms / 1000)
        if fault.cut is not None and fault.cut_at == position:
            await self._cut()

    async def _wait_at(self, name: str) -> None:
        if self._control:
            async with self._control.gate(name).passing() as go_on:
                await self._silence(None, go_on=go_on)

    async def _silence(self, seconds: float | None, *, go_on: asyncio.Event | None = None) -> None:
        ping = self._fault.ping_ms
        if not ping or not self._request.stream or self._exchange.status is None:
            await self._exchange.wait(seconds, go_on=go_on)
            return
        end = None if seconds is None else time.monotonic() + seconds
        while (end is None or time.monotonic() < end) and not (go_on and go_on.is_set()):
            await self._exchange.wait(ping / 1000 if end is None else min(ping / 1000, max(0.0, end - time.monotonic())), go_on=go_on)
            await self._exchange.write(b": ping\n\n")

    async def _cut(self) -> None:
        self._call.outcome = "cut"
        exchange, how = self._exchange, self._fault.cut
        if exchange.status is None and how == "error":
            await exchange.json(500, self._error(500).body)
        elif exchange.status is None or how in ("abrupt", "reset"):
            await self._events.flush()
            await exchange.hang_up(reset=how == "reset")
        else:
            await self._events.flush()
            broken = {"error": b"data: " + orjson.dumps(self._error(500).body) + b"\n\n", "garbage": b'data: {"id": "chatcmpl-\n\n'}
            await exchange.finish(broken.get(how or "", b""))
        raise EndedError

    def _error(self, status: int) -> ProviderError:
        fault = self._fault
        kind = fault.type or ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        return ProviderError(status, fault.message or f"The sandbox was told to answer {status}.", type=kind, code=fault.code)

    async def fail(self) -> bool:
        """Sends the error or the garbage that the fault asks for, if any."""
        fault, exchange = self._fault, self._exchange
        headers = self._headers()
        garbage = fault.garbage or ("base_resp" if fault.base_resp is not None else None)
        if fault.body is not None:
            data = fault.body.encode() if isinstance(fault.body, str) else orjson.dumps(fault.body)
            kind = fault.content_type or ("text/plain" if isinstance(fault.body, str) else "application/json")
            await exchange.answer(fault.status or 200, data, content_type=kind, headers=headers)
        elif garbage:
            data, kind = garbage_body(garbage, code=fault.base_resp or 1008)
            await exchange.answer(fault.status or 200, data, content_type=fault.content_type or kind, headers=headers)
        elif fault.status is not None:
            await exchange.json(fault.status, self._error(fault.status).body, headers=headers)
        else:
            return False
        self._call.outcome = "refused"
        return True

    def _headers(self) -> dict[str, str]:
        retry = {} if self._fault.retry_after is None else {"retry-after": f"{self._fault.retry_after:g}"}
        return {"x-request-id": f"req_{self._id[-20:]}", **retry, **self._fault.headers}

    async def send(self, choices: list[Choice], *, prompt_tokens: int) -> None:
        """Sends the answer, streamed or whole, with its usage."""
        usage = true_usage(
            prompt_tokens=prompt_tokens,
            completion_tokens=sum(choice.completion_tokens for choice in choices),
            reasoning_tokens=sum(choice.reasoning_tokens for choice in choices),
        )
        reported = reported_usage(usage, wish=self._fault.usage, limit=self._request.limit, n=self._request.n or 1)
        self._call.true_usage = usage
        self._call.reported_usage = None if reported is MISSING else reported
        if self._request.stream:
            await self._send_stream(choices, reported)
        else:
            await self._send_whole(choices, reported)
        self._call.outcome = "complete"

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._fault.echo_model or self._request.model,
            "service_tier": "default",
            "system_fingerprint": "fp_sandbox",
        }

    async def _send_whole(self, choices: list[Choice], usage: Any) -> None:
        answer = self._envelope("chat.completion")
        answer["choices"] = [
            {
                "index": choice.index,
                "message": self._split(choice.message()),
                "logprobs": self._logprobs(choice.deltas),
                "finish_reason": choice.finish_reason,
            }
            for choice in choices
        ]
        if usage is not MISSING:
            answer["usage"] = usage
        data = orjson.dumps(answer)
        half = len(data) // 2
        exchange, fault = self._exchange, self._fault
        ends = fault.cut is not None and fault.cut_at != "start"
        if ends and fault.cut in ("clean", "garbage"):
            data = data[:half]
        elif ends and fault.cut == "error":
            data = orjson.dumps(self._error(500).body)
        await exchange.start(200, {"content-type": "application/json", "content-length": str(len(data)), **self._headers()})
        await exchange.write(data[:half])
        # The middle of the body stands for every station but the start
        if fault.gate is not None and fault.gate_at != "start":
            await self._wait_at(fault.gate)
        if fault.stall_ms is not None and fault.stall_at != "start":
            await self._silence(None if fault.stall_ms == "forever" else fault.stall_ms / 1000)
        if ends and fault.cut in ("abrupt", "reset"):
            await self._cut()
        await exchange.finish(data[half:])
        if ends:
            self._call.outcome = "cut"
            raise EndedError
        self._call.usage_sent = usage is not MISSING
        self._call.chunks_sent = 1
        self._call.tokens_sent = sum(choice.completion_tokens for choice in choices)

    async def _send_stream(self, choices: list[Choice], usage: Any) -> None:
        exchange, fault = self._exchange, self._fault
        where = None if usage is MISSING else fault.usage_at or ("extra" if self._request.wants_usage else None)
        beside = {} if where is None else {"usage": usage if where == "every" else None}
        await exchange.start(200, {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **self._headers()})
        await self.reach("headers")
        for choice in choices:
            await self._events.write(self._chunk(choice, {"role": "assistant", "content": "", "refusal": None}, beside))
        await self.reach("role")
        for choice, delta in _interleaved(choices):
            await exchange.wait(self._chunk_seconds)
            await self._events.write(self._chunk(choice, self._split(delta.as_json()), beside, logprobs=self._logprobs([delta])))
            self._call.chunks_sent += 1
            self._call.tokens_sent += len(delta.tokens)
            await self.reach(self._call.chunks_sent)
        for choice in choices:
            carried = {"usage": usage} if where in ("finish", "every") and choice is choices[-1] else beside
            await self._events.write(self._chunk(choice, {}, carried, finish_reason=choice.finish_reason))
        self._call.usage_sent = where in ("finish", "every")
        await self.reach("finish")
        if where == "extra":
            await self._events.write({**self._envelope("chat.completion.chunk"), "choices": [], "usage": usage})
            self._call.usage_sent = True
        await self.reach("usage")
        await self._events.write(None)
        await exchange.finish()

    def _chunk(
        self,
        choice: Choice,
        delta: dict[str, Any],
        beside: dict[str, Any],
        *,
        logprobs: dict[str, Any] | None = None,
        finish_reason: str | None = None,
    ) -> dict[str, Any]:
        entry = {"index": choice.index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return {**self._envelope("chat.completion.chunk"), "choices": [entry], **beside}

    def _split(self, said: dict[str, Any]) -> dict[str, Any]:
        """A message or delta; under MiniMax's `reasoning_split` its thinking stands in `reasoning_details`, in pieces as it comes."""
        if not self._request.reasoning_split or "reasoning_content" not in said:
            return said
        text = said.pop("reasoning_content")
        detail = {"type": "reasoning.text", "id": "reasoning-text-1", "format": "MiniMax-response-v1", "index": 0, "text": text}
        return {**said, "reasoning_details": [detail]}

    def _logprobs(self, deltas: list[Delta]) -> dict[str, Any] | None:
        """OpenAI's shape for the tokens of the text; the figures are made up, the same for the same token."""
        if not self._request.logprobs:
            return None
        said = [token for delta in deltas if delta.kind == "content" for token in delta.tokens]
        return {"content": [_logprob(token, others=self._request.top_logprobs or 0) for token in said], "refusal": None}


def _logprob(token: bytes, *, others: int) -> dict[str, Any]:
    sure = -hashlib.sha256(token).digest()[0] / 1000
    texts = [token, *(b" (%d)" % number for number in range(1, others))][:others]
    entries = [
        {"token": text.decode("utf-8", "replace"), "logprob": sure - 3 * rank, "bytes": list(text)} for rank, text in enumerate(texts)
    ]
    return {"token": token.decode("utf-8", "replace"), "logprob": sure, "bytes": list(token), "top_logprobs": entries}


def _interleaved(choices: list[Choice]) -> Iterator[tuple[Choice, Delta]]:
    """The deltas of all choices in turn, as a provider that writes them side by side."""
    for position in range(max((len(choice.deltas) for choice in choices), default=0)):
        for choice in choices:
            if position < len(choice.deltas):
                yield choice, choice.deltas[position]
