"""A charge in the hands of its call: in doubt, or left in the middle."""

from __future__ import annotations

import asyncio
import logging

import pytest

from chat import charging, replays
from chat.admission import Call, offers
from chat.schema import parse
from contract.errors import ApiError
from keys.caller import Caller
from tests.catalog.catalog_objects import model
from tests.factories import WalletFactory
from tests.wallets.calls import charge, hold, now
from tests.wallets.test_committer import Wire
from wallets import committer, waiting_row
from wallets.idempotency import keyed_request


def call(wallet_id: int = 1) -> Call:
    """A call that has been admitted."""
    request = parse({"model": "test", "messages": [{"role": "user", "content": "hello"}]})
    asked = model()
    candidates = [(asked, asked.routes[0])]
    offered = offers(request, candidates, text_tokens=10)
    return Call(
        caller=Caller(account_id=1, account_status="active", wallet_id=wallet_id, key_id=1, key_prefix="", key_name=""),
        request=request,
        request_id="test",
        fields=request.wire(),
        candidates=candidates,
        text_tokens=10,
        offer=next(offered),
        others=offered,
    )


def test_a_large_answer_is_sealed_beside_the_event_loop():
    under_way = call()
    under_way.keyed = keyed_request("mine", wallet_id=1, method="POST", path="/v1/chat/completions", body={})
    choices = [{"index": 0, "message": {"role": "assistant", "content": "word " * 500_000}}]

    async def turns_while_sealing() -> int:
        sealing = asyncio.ensure_future(replays.sealed(under_way, choices, size=2_500_000))
        turns = 0
        while not sealing.done():
            await asyncio.sleep(0)
            turns += 1
        assert 100 < len(await sealing) < 250_000
        return turns

    # sealed on the loop itself, it would be done at the first turn
    assert asyncio.run(turns_while_sealing()) > 2


def test_a_call_that_was_answered_as_failed_and_had_been_charged_is_named_to_staff(committed, monkeypatch, caplog):
    """The charge is written, its answer is lost, and the database stays away: longer than the call, and than its release, can wait."""
    monkeypatch.setattr(committer, "CLOSE_SECONDS", 0.2)
    monkeypatch.setattr(waiting_row, "DOUBT_SECONDS", 0.2)
    monkeypatch.setattr(charging, "DOUBT_PAUSE_SECONDS", 0.05)
    wallet = WalletFactory(balance=10)
    under_way = call(wallet.pk)
    held = hold(wallet, 6, usage_id=under_way.id)

    async def told(words: str) -> logging.LogRecord:
        async with asyncio.timeout(30):
            while not (found := [record for record in caplog.records if words in record.getMessage()]):
                await asyncio.sleep(0.01)
        return found[0]

    async def work() -> None:
        wire = Wire()
        async with wire.laid(monkeypatch):
            await committer.start()
            try:
                await committer.place(held)
                wire.word, wire.times = under_way.id.encode(), 1
                wire.away = True
                with pytest.raises(ApiError) as caught:
                    await charging.settle(under_way, charge(held, 5))
                assert (caught.value.code, under_way.id in caught.value.message) == ("service_unavailable", True)
                await told("could not be released yet")
                wire.away = False
                monkeypatch.setattr(committer, "CLOSE_SECONDS", 20)
                ended = await told("had been charged")
                assert (ended.levelname, ended.__dict__["usage_id"]) == ("ERROR", under_way.id)
            finally:
                await committer.stop()

    asyncio.run(work())
    assert now(wallet) == (5, 0, 0)


def test_a_shutdown_is_not_swallowed_while_a_lost_cost_is_counted():
    async def work() -> None:
        under_way = call()
        under_way.texts = ["word " * 20_000]  # counted in a thread, which is waited for
        counting = asyncio.create_task(charging.absorb(under_way))
        await asyncio.sleep(0)
        counting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await counting

    asyncio.run(work())
