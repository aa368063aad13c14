"""500 calls at once on a wallet for 100 of them: who is admitted, who is told to wait, and what is left at the end."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple

import aiohttp
import httpx

from catalog import tokens
from contract.ids import new_id
from tests.chat.priced_model import priced_model
from wallets.audit import audit

CALLS, ADMITTED, LIMIT = 500, 100, 100
INPUT_USD, OUTPUT_USD, MARKUP = Decimal("0.000001"), Decimal("0.000002"), Decimal(1000)


def worst_case(directives: str) -> tuple[str, Decimal]:
    """A text whose call costs exactly its hold when the sandbox reports the worst case, and that hold in credits.

    The hold counts the estimate x 1.1, a whole number for estimates in tens.
    """
    for padding in range(50):
        for prompt in range(11, 440, 11):
            text = f"[[{directives} usage.prompt_tokens={prompt} usage.completion_tokens={LIMIT}]]" + " more" * padding
            estimate = tokens.estimate_prompt([{"role": "user", "content": text}])
            if estimate * 11 == prompt * 10:
                return text, MARKUP * (prompt * INPUT_USD + LIMIT * OUTPUT_USD)
    raise AssertionError("no such text")


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]
    retry_after: str | None
    at: dt.datetime


async def call_all(owner: Any, text: str, model: str, verdicts: Any = None) -> list[Answer]:
    body = {"model": model, "max_tokens": LIMIT, "messages": [{"role": "user", "content": text}]}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=owner.headers, timeout=aiohttp.ClientTimeout(120)) as session:

        async def one() -> Answer:
            async with session.post(f"{owner.v1}/chat/completions", json=body) as response:
                answer = Answer(response.status, await response.json(), response.headers.get("Retry-After"), dt.datetime.now(dt.UTC))
            if verdicts is not None and response.status != 200:
                verdicts.release()
            return answer

        return await asyncio.gather(*(one() for _ in range(CALLS)))


def test_a_wallet_for_exactly_100_admits_exactly_100(site, customer):
    name = new_id("gate")
    model = priced_model(site.v1, input_usd=str(INPUT_USD), output_usd=str(OUTPUT_USD), markup=str(MARKUP))
    text, hold = worst_case(f"gate={name}")
    owner = customer(balance=hold * ADMITTED, max_in_flight=CALLS * 2, requests_per_minute=CALLS * 2)

    async def flow() -> list[Answer]:
        refused = asyncio.Semaphore(0)
        calls = asyncio.create_task(call_all(owner, text, model, refused))
        for _ in range(CALLS - ADMITTED):
            await refused.acquire()
        async with httpx.AsyncClient(base_url=site.sandbox, timeout=60) as sandbox:
            waiting = (await sandbox.get(f"/control/gates/{name}", params={"waiting": ADMITTED})).json()["waiting"]
            assert waiting == ADMITTED
            await sandbox.post(f"/control/gates/{name}/release")
        return await calls

    answers = asyncio.run(flow())
    assert Counter(answer.status for answer in answers) == {200: ADMITTED, 429: CALLS - ADMITTED}
    assert {(answer.body["error"]["code"], answer.retry_after) for answer in answers if answer.status == 429} == {("rate_limited", "2")}
    wallet = owner.wallet
    assert (wallet.balance, wallet.held, wallet.in_flight) == (0, 0, 0)
    assert {record.charged_credits for record in owner.records} == {hold}

    late = owner.chat(text, model=model, max_tokens=LIMIT)
    error = late.json()["error"]
    assert (late.status_code, error["code"]) == (402, "insufficient_balance")
    assert error["details"]["required_credits"] == f"{hold:.4f}"
    assert (error["details"]["available_credits"], error["details"]["affordable_output_tokens"]) == ("0.0000", 0)
    assert error["details"]["topup_url"].startswith("http")
    assert audit() == []


def test_without_a_barrier_the_wallet_never_goes_below_zero(site, customer):
    model = priced_model(site.v1, input_usd=str(INPUT_USD), output_usd=str(OUTPUT_USD), markup=str(MARKUP))
    text, hold = worst_case("latency_ms=5")
    owner = customer(balance=hold * ADMITTED, max_in_flight=CALLS * 2, requests_per_minute=CALLS * 2)
    answers = asyncio.run(call_all(owner, text, model))
    counts = Counter(answer.status for answer in answers)
    assert set(counts) <= {200, 429, 402}
    assert counts[200] == ADMITTED
    wallet = owner.wallet
    assert (wallet.balance, wallet.held, wallet.in_flight) == (0, 0, 0)
    # A 402 is right only once the balance itself is below the hold: after the last of the charges.
    assert all(answer.at >= owner.entries[-1].created_at for answer in answers if answer.status == 402)
    spent = Decimal(0)
    for entry in owner.entries:
        spent -= entry.amount
        assert entry.balance_after == hold * ADMITTED - spent >= 0
    assert audit() == []
