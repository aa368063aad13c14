"""200 callers who hang up at random points: each pays what its receipt's clause says, of what our process had received or all of it.

The provider remembers every call: what it handed over, and what it would bill. It stops in the midst of most answers until all have
left, so that a call that is stopped can't have got more than what came before.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import aiohttp
import httpx
import pytest

from catalog import tokens
from contract.ids import new_id
from tests.chat.priced_model import priced_model
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.faults.judge import assert_books, wait_until_settled
from tests.faults.load import Broken, events_of
from tests.faults.stack import Stack
from tests.faults.tally import count
from tests.gate import Gate
from wallets.models import UsageRecord

pytestmark = pytest.mark.slow

CALLERS = 200
REQUEST_ID = re.compile(r'"request_id":"([^"]+)"')
INPUT_USD, OUTPUT_USD, MARKUP = Decimal("0.000001"), Decimal("0.000002"), 1500


@dataclass
class Caller:
    """Who hangs up after `reads` events with text, or `seconds` after having asked. The provider waits after `sent` of `tokens`.

    `sent` 0: before anything; None: nowhere, then the caller leaves right before the end.
    """

    name: str
    owner: Customer
    model: str
    stoppable: bool
    keyed: bool
    stream: bool
    tokens: int
    sent: int | None
    reads: int
    seconds: float
    got: int = 0

    @property
    def may_be_stopped(self) -> bool:
        return self.stoppable and self.stream and not self.keyed

    def text(self, gate: Gate) -> str:
        wait = "" if self.sent is None else f" gate={gate.name} gate_at={self.sent or 'start'}"
        return f"[[script:{self.name} tokens={self.tokens}{wait}]] {self.name}"

    def body(self, gate: Gate) -> dict[str, Any]:
        messages = [{"role": "user", "content": self.text(gate)}]
        return {"model": self.model, "stream": self.stream, "metadata": {"call": self.name}, "messages": messages}

    @property
    def headers(self) -> dict[str, str]:
        return {**self.owner.headers, "X-Request-Id": self.name, **({"Idempotency-Key": self.name} if self.keyed else {})}

    async def ask_and_leave(self, session: aiohttp.ClientSession, gate: Gate) -> None:
        url = f"{self.owner.v1}/chat/completions"
        with suppress(TimeoutError, Broken):
            async with asyncio.timeout(None if self.reads else self.seconds):
                async with session.post(url, json=self.body(gate), headers=self.headers) as response:
                    assert response.status == 200
                    async for event in events_of(response):
                        self.got += any(choice["delta"].get("content") for choice in event["choices"])
                        if self.got == self.reads:
                            response.close()
                            return

    async def ask_again(self, session: aiohttp.ClientSession, gate: Gate) -> dict[str, Any]:
        """The answer to the same question, as a client that has left waits for it."""
        while True:
            async with session.post(f"{self.owner.v1}/chat/completions", json=self.body(gate), headers=self.headers) as response:
                if response.status == 409:
                    await asyncio.sleep(float(response.headers["Retry-After"]))
                    continue
                assert response.status == 200, await response.text()
                replayed = {"replayed": response.headers.get("Idempotent-Replayed") == "true"}
                if not self.stream:
                    return replayed | await response.json()
                return replayed | [event async for event in events_of(response)][-1]


def some_callers(rng: random.Random, owners: list[Customer], models: dict[bool, str]) -> list[Caller]:
    def one(number: int) -> Caller:
        stream, stoppable, most = rng.random() < 0.7, rng.random() < 0.5, rng.randint(1, 30)
        sent = rng.choice([0, rng.randint(1, most), None])
        reads = most if sent is None else rng.choice([0, sent, rng.randint(0, sent)])
        return Caller(
            name=f"{new_id('caller')}-{number}",
            owner=rng.choice(owners),
            model=models[stoppable],
            stoppable=stoppable,
            keyed=rng.random() < 0.3,
            stream=stream,
            tokens=most,
            sent=sent,
            reads=reads if stream else 0,
            seconds=rng.uniform(0, 1),
        )

    return [one(number) for number in range(CALLERS)]


@pytest.fixture
def models(stack: Stack) -> dict[bool, str]:
    """Two at the same price; the route of the one under True is stoppable. All processes know them."""
    price = {"input_usd": str(INPUT_USD), "output_usd": str(OUTPUT_USD), "markup": str(MARKUP)}
    made = {stoppable: priced_model(stack.v1s[0], stoppable=stoppable, **price) for stoppable in (True, False)}
    for v1 in stack.v1s:
        http = Customer(v1).http
        assert eventually(lambda http=http: all(http.get(f"/models/{model}").status_code == 200 for model in made.values()))
    return made


def price_of(prompt_tokens: int, completion_tokens: int) -> Decimal:
    usd = prompt_tokens * INPUT_USD + completion_tokens * OUTPUT_USD
    return (usd * MARKUP).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def assert_receipt(caller: Caller, record: UsageRecord, provided: dict[str, Any] | None, *, gate: Gate) -> None:
    """Clause and amount agree with what came and what the provider knows of it."""
    who = f"{caller}: {record.status} {record.clause}, {record.prompt_tokens} + {record.completion_tokens}; {provided}"
    if provided is None:
        assert (record.status, record.clause, record.charged_credits) == ("released", "not_sent", 0), who
        return
    assert record.status == "charged", who
    counted = (record.prompt_tokens, record.completion_tokens)
    assert record.charged_credits == price_of(*counted), who
    if record.clause == "stopped":
        assert caller.may_be_stopped, who
        assert record.estimated, who
        assert record.prompt_tokens == 3 + 4 + tokens.count(caller.text(gate)), who
        assert caller.got <= record.completion_tokens <= provided["tokens_sent"], who
    else:
        assert record.clause in ("complete", "drained"), who
        true = provided["true_usage"]
        assert counted == (true["prompt_tokens"], true["completion_tokens"]), who
        assert not record.estimated, who
        # In the midst of an answer only the route of a stoppable call is closed, and always
        assert caller.sent is None or not caller.may_be_stopped, who
        assert caller.sent is None or record.clause == "drained", who


def names_of(records: Iterable[UsageRecord]) -> set[str]:
    return {record.metadata["call"] for record in records}


def requests_ended(stack: Stack) -> set[str]:
    """The ids of the requests whose line is in a log: it is written when the request has ended, its caller's leaving included."""
    lines = (line for web in stack.webs for line in web.log.splitlines())
    return {found[1] for line in lines if '"duration_ms":' in line and (found := REQUEST_ID.search(line))}


async def all_of_them(callers: list[Caller], ask: Callable[[Caller, aiohttp.ClientSession], Any]) -> list[Any]:
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(120)) as session:
        return await asyncio.gather(*(ask(caller, session) for caller in callers))


def test_who_hangs_up_pays_for_what_was_received_or_for_all_of_it(
    stack: Stack, customers: Callable[..., list[Customer]], models: dict[bool, str], rng: random.Random, rounds: int, what: str
):
    for _ in range(max(1, rounds // 5)):
        owners = customers(4, max_in_flight=CALLERS)
        for number, owner in enumerate(owners):
            owner.v1 = stack.v1s[number % 2]
        hang_up_all(stack, owners, models, rng=rng, what=what)


def hang_up_all(stack: Stack, owners: list[Customer], models: dict[bool, str], *, rng: random.Random, what: str) -> None:
    """One round: all ask and leave; what came of it is judged; those with a key ask again, and are judged."""
    gate = Gate(stack.sandbox)
    callers = some_callers(rng, owners, models)
    asyncio.run(all_of_them(callers, lambda caller, session: caller.ask_and_leave(session, gate)))

    in_midst = {caller.name for caller in callers if caller.sent is not None}
    stopped = {caller.name for caller in callers if caller.may_be_stopped}
    records = UsageRecord.objects.filter(wallet__account__in=[owner.account for owner in owners])
    try:
        assert eventually(lambda: not stopped & names_of(records.filter(status="open")), seconds=30)
        assert eventually(lambda: in_midst & names_of(records.all()) <= requests_ended(stack), seconds=30), "nobody saw them leave"
    finally:
        gate.open()
    wait_until_settled(owners)

    closed = {record.metadata["call"]: record for record in records}
    assert len(closed) == len(records)
    provided = {call["marker"]: call for call in httpx.get(f"{stack.sandbox}/control/calls?bodies=0&limit=50000").json()["calls"]}
    for caller in callers:
        if record := closed.get(caller.name):  # one who left at once may never have been heard
            assert_receipt(caller, record, provided.get(caller.name), gate=gate)
    clauses = Counter(record.clause for record in closed.values())
    assert min(clauses["stopped"], clauses["drained"]) > 5, clauses

    keyed = [caller for caller in callers if caller.keyed]
    again = asyncio.run(all_of_them(keyed, lambda caller, session: caller.ask_again(session, gate)))
    for caller, answer in zip(keyed, again, strict=True):
        (charged,) = records.filter(metadata__call=caller.name, status="charged")
        assert (answer["id"], answer["usage"]["credits"]) == (charged.pk, str(charged.charged_credits))
        assert answer["replayed"] == (caller.name in closed and closed[caller.name].status == "charged")
    wait_until_settled(owners)
    assert_books(owners)
    count(what, rounds=1, calls=CALLERS, charged=records.filter(status="charged").count(), audits=1)
    count(what, answered=len(keyed), replays=sum(answer["replayed"] for answer in again))
