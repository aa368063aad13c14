"""One call to a music provider, on its way: the stations at which a fault may hold, stall or end it, and its answer.

The stations are told in `faults.py`. What an error looks like is each provider's own affair.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

import orjson

from beatra_site.sandbox.calls import Call, Calls
from beatra_site.sandbox.control import Control
from beatra_site.sandbox.errors import ProviderError
from beatra_site.sandbox.exchange import EndedError, Exchange
from beatra_site.sandbox.faults import DirectiveError, Fault, Position, read_directives
from beatra_site.sandbox.generations import Generation, Generations
from beatra_site.sandbox.wire import garbage_body

BEFORE_STATUS = ("start", "generating", "answer")


class Records:
    """What a provider notes of its calls and generations, and the faults it is told. Without a control there are no faults."""

    def __init__(self, control: Control | None) -> None:
        self.control = control
        self._calls = control.calls if control else Calls(kept=1)
        self._generations = control.generations if control else Generations(kept=1)

    def call(self, exchange: Exchange, *, model: str | None = None) -> MusicCall:
        """The record of a call that has just arrived; `model` is the name of what is no generation."""
        call = self._calls.open(path=exchange.path, headers=exchange.headers)
        call.model = model
        call.key = exchange.headers.get("authorization", "").removeprefix("Bearer ").strip() or None
        return MusicCall(self, exchange, call)

    def begin(self, made: MusicCall, *, provider: str, prompt: str, cover: bool, task_id: str | None = None) -> Generation:
        """Counts a generation."""
        call = made.call
        return self._generations.begin(
            provider=provider,
            model=call.model or "",
            prompt=prompt,
            marker=call.marker,
            key=call.key,
            call=call.number,
            cover=cover,
            task_id=task_id,
        )


class MusicCall:
    """A call; `async with` notes how it ended."""

    def __init__(self, records: Records, exchange: Exchange, call: Call) -> None:
        self._records = records
        self._exchange = exchange
        self.call = call
        self.fault = Fault()

    async def __aenter__(self) -> MusicCall:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        call = self.call
        if isinstance(error, ProviderError):
            call.outcome = "refused"
            await self._exchange.json(error.status, error.body)
        elif isinstance(error, EndedError) and call.outcome == "open":
            call.outcome = "left"
        call.status = self._exchange.status
        call.ended_at = time.time()
        return isinstance(error, ProviderError)

    async def body(self) -> bytes:
        """The request's body."""
        body = await self._exchange.body()
        self.call.body_bytes = len(body)
        if self._records.control:
            self.call.keep_body(body)
        return body

    def directed(self, texts: Iterable[str]) -> None:
        """Takes the fault of a call that begins a generation from its texts and the scripts. Raises ProviderError for a wrong directive."""
        control = self._records.control
        if control is None:
            return
        try:
            _, self.call.marker, inline = read_directives("\n".join(texts))
        except DirectiveError as error:
            raise ProviderError(400, str(error), code="sandbox_directive") from None
        call = self.call
        self._take(inline.over(control.scripts.fault_for(marker=call.marker, model=call.model or "", key=call.key)))

    def scripted(self, own: Fault | None = None, *, marker: str | None = None) -> None:
        """Takes the fault of any other call: the one its task has for it, over that of the scripts for its kind."""
        control = self._records.control
        if control is None:
            return
        self.call.marker = marker
        found = control.scripts.fault_for(marker=None, model=self.call.model or "", key=self.call.key)
        self._take(own.over(found) if own else found)

    def _take(self, fault: Fault) -> None:
        self.fault = fault
        self.call.fault = fault.model_dump(exclude_defaults=True)

    async def reach(self, position: Position) -> None:
        """Passes a station before the status line: waits there, or ends there (raises EndedError), if the fault says so."""
        if position == "start" and self.fault.latency_ms:
            await self._exchange.wait(self.fault.latency_ms / 1000)
        await self._hold(position)
        if self.fault.cut is not None and self.fault.cut_at == position:
            self.call.outcome = "cut"
            if self.fault.cut == "error":
                await self._exchange.json(500, ProviderError(500, "The sandbox was told to fail.").body)
                raise EndedError
            await self._exchange.hang_up(reset=self.fault.cut == "reset")

    async def _hold(self, position: Position) -> None:
        fault, control = self.fault, self._records.control
        if fault.gate is not None and control and fault.gate_at == position:
            async with control.gate(fault.gate).passing() as go_on:
                await self._exchange.wait(None, go_on=go_on)
        if fault.stall_ms is not None and fault.stall_at == position:
            await self._exchange.wait(None if fault.stall_ms == "forever" else fault.stall_ms / 1000)

    async def wait(self, seconds: float) -> None:
        """Waits; raises EndedError when the client leaves."""
        await self._exchange.wait(seconds)

    async def garbled(self) -> bool:
        """Sends the body, the garbage or the status that the fault asks for, if any; what is said in a body is the provider's."""
        fault = self.fault
        if fault.body is not None:
            data = fault.body.encode() if isinstance(fault.body, str) else orjson.dumps(fault.body)
            kind = fault.content_type or ("text/plain" if isinstance(fault.body, str) else "application/json")
        elif fault.garbage in ("html", "json", "empty"):
            data, kind = garbage_body(fault.garbage, code=0)
            kind = fault.content_type or kind
        elif fault.status is not None and fault.code is None and fault.base_resp is None:
            message = fault.message or f"The sandbox was told to answer {fault.status}."
            data, kind = orjson.dumps({"error": message, "status": fault.status}), "application/json"
        else:
            return False
        self.call.outcome = "refused"
        await self._exchange.answer(fault.status or 200, data, content_type=kind, headers=self._headers())
        return True

    async def refuse(self, content: Mapping[str, Any]) -> None:
        """Answers with a provider's refusal."""
        self.call.outcome = "refused"
        await self._exchange.json(self.fault.status or 200, content, headers=self._headers())

    async def json(self, content: Mapping[str, Any]) -> None:
        """Answers."""
        await self.send(orjson.dumps(content), content_type="application/json")

    async def send(self, data: bytes, *, content_type: str) -> None:
        """Answers 200, in its middle held, stalled or cut, if the fault says so."""
        fault, exchange, half = self.fault, self._exchange, len(data) // 2
        ends = fault.cut is not None and fault.cut_at not in BEFORE_STATUS
        if ends and fault.cut in ("clean", "garbage", "error"):
            data = data[:half]
        await exchange.start(200, {"content-type": content_type, "content-length": str(len(data)), **self._headers()})
        await exchange.write(data[:half])
        if fault.gate_at not in BEFORE_STATUS:
            await self._hold(fault.gate_at)
        if fault.stall_at not in BEFORE_STATUS and fault.stall_at != fault.gate_at:
            await self._hold(fault.stall_at)
        if ends:
            self.call.outcome = "cut"
            if fault.cut in ("abrupt", "reset"):
                await exchange.hang_up(reset=fault.cut == "reset")
        await exchange.finish(data[half:])
        if not ends:
            self.call.outcome = "complete"

    def _headers(self) -> dict[str, str]:
        retry = {} if self.fault.retry_after is None else {"retry-after": f"{self.fault.retry_after:g}"}
        return {**retry, **self.fault.headers}


def bare(text: str, *, directives: bool) -> str:
    """The text without directives, where those are honoured."""
    return re.sub(r"[ \t]{2,}", " ", read_directives(text)[0]) if directives else text
