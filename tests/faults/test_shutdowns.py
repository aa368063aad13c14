"""SIGTERM with calls in flight: time enough loses nothing; too little ends each call as the contract says."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from contract.ids import new_id
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.faults.judge import assert_books, judge, wait_until_settled
from tests.faults.load import Broken, Load, events_of
from tests.faults.stack import Stack
from tests.faults.tally import count, count_load
from tests.gate import Gate
from wallets.models import UsageRecord

pytestmark = pytest.mark.slow

CALLS = 20


def test_told_to_stop_under_load(
    stack: Stack, customers: Callable[..., list[Customer]], rng: random.Random, seed: str, rounds: int, what: str
):
    """A rolling restart: one process after the other, and no call is lost."""
    load = Load(v1s=stack.v1s, owners=customers(), seed=seed)
    with load.running():
        for _ in range(rounds):
            web = rng.choice(stack.webs)
            load.wait_for(rng.randint(5, 60))
            web.stop()
            web.start()
            web.wait()
            count(what, kills=1)
    judge(load)
    clauses = set(UsageRecord.objects.filter(wallet__account__in=[owner.account for owner in load.owners]).values_list("clause", flat=True))
    # Who was cut off in the midst of sending may have asked again; but nothing that was begun was lost
    assert clauses <= {"complete", "drained", "not_sent", "replay"}
    count(what, rounds=rounds)
    count_load(what, load)


@dataclass
class Waiting:
    """A call that waits at the provider after `chunks` of its output, none: before any. `answer` is what came of it."""

    gate: Gate
    stream: bool
    chunks: int
    name: str = field(default_factory=lambda: new_id("call"))
    status: int | None = None
    answer: dict[str, Any] | None = None
    said: str = ""
    done: bool = False

    async def ask(self, session: aiohttp.ClientSession, owner: Customer, v1: str) -> None:
        at = self.chunks or "start"
        messages = [{"role": "user", "content": f"[[gate={self.gate.name} gate_at={at} tokens=10]] {self.name}"}]
        body = {"model": "MiniMax-M2.7", "stream": self.stream, "metadata": {"call": self.name}, "messages": messages}
        headers = {**owner.headers, "Idempotency-Key": self.name}
        with suppress(aiohttp.ClientError, ConnectionError):
            async with session.post(f"{v1}/chat/completions", json=body, headers=headers) as response:
                self.status = response.status
                if not self.stream or response.status != 200:
                    self.answer = json.loads(await response.read())
                    self.done = response.status == 200
                    return
                with suppress(Broken):
                    async for event in events_of(response):
                        self.answer = event
                        self.said += "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))
                    self.done = "error" not in (self.answer or {})


def ask_all(calls: list[Waiting], owner: Customer, v1: str) -> threading.Thread:
    """All of them under way, in a thread that ends with the last."""

    async def ask() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(120)) as session:
            await asyncio.gather(*(call.ask(session, owner, v1) for call in calls))

    thread = threading.Thread(target=lambda: asyncio.run(ask()))
    thread.start()
    return thread


def calls_at(gate: Gate, rng: random.Random) -> list[Waiting]:
    """Sync ones, streams before their first output, and streams in their midst."""
    return [Waiting(gate, stream=number % 3 > 0, chunks=rng.randint(1, 9) if number % 3 == 2 else 0) for number in range(CALLS)]


def record_of(call: Waiting) -> UsageRecord:
    return UsageRecord.objects.get(metadata__call=call.name)


def test_calls_in_flight_are_answered_and_charged_where_there_is_time(
    stack: Stack, customers: Callable[..., list[Customer]], rng: random.Random, what: str
):
    (owner,), gate = customers(1), Gate(stack.sandbox)
    web = stack.start_web("web-drained", {"DRAIN_SECONDS": "60"}).wait()
    calls = calls_at(gate, rng)
    asking = ask_all(calls, owner, web.v1)
    gate.wait(CALLS)
    stopping = threading.Thread(target=web.stop)
    stopping.start()
    assert eventually(lambda: not takes_connections(web.port), seconds=30)
    gate.open()
    asking.join()
    stopping.join()
    for call in calls:
        record = record_of(call)
        assert call.done, (call, record.clause)
        assert (record.status, record.clause) == ("charged", "complete")
        assert call.answer is not None
        assert call.answer["usage"]["credits"] == str(record.charged_credits)
    wait_until_settled([owner])
    assert_books([owner])
    count(what, rounds=1, kills=1, calls=CALLS, answered=CALLS, charged=CALLS, audits=1)


def takes_connections(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def test_calls_in_flight_are_cut_or_lost_where_there_is_no_time(
    stack: Stack, customers: Callable[..., list[Customer]], rng: random.Random, what: str
):
    """What had output ends with `length` and costs what came; the rest costs nothing, and its retry runs elsewhere."""
    (owner,), gate = customers(1), Gate(stack.sandbox)
    web = stack.start_web("web-hurried", {"DRAIN_SECONDS": "1"}).wait()
    calls = calls_at(gate, rng)
    asking = ask_all(calls, owner, web.v1)
    gate.wait(CALLS)
    web.stop()
    asking.join()
    gate.open()
    wait_until_settled([owner])
    for call in calls:
        record = record_of(call)
        if call.chunks and call.stream:
            assert (record.status, record.clause, record.estimated) == ("charged", "cut_by_limit", True)
            assert record.completion_tokens == call.chunks
            assert call.done, "it ends with its last chunks and [DONE]"
            assert call.answer is not None
            assert call.answer["choices"][0]["finish_reason"] == "length"
            assert call.answer["usage"]["credits"] == str(record.charged_credits)
        else:
            assert (record.status, record.clause, record.charged_credits) == ("released", "lost", 0)
            assert (call.status, call.done) == (503, False)
    again = [Waiting(gate, stream=call.stream, chunks=call.chunks, name=call.name) for call in calls]
    ask_all(again, owner, stack.v1s[0]).join()
    for call in again:
        assert call.done
        assert call.answer is not None
        (charged,) = UsageRecord.objects.filter(metadata__call=call.name, status="charged")
        assert (call.answer["id"], call.answer["usage"]["credits"]) == (charged.pk, str(charged.charged_credits))
        assert len(call.said.split()) == charged.completion_tokens or not call.stream
    wait_until_settled([owner])
    assert_books([owner])
    count(what, rounds=1, kills=1, calls=CALLS, answered=CALLS, charged=CALLS, audits=1)
