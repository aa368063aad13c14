"""What lies between a call and its caller."""

import asyncio

import pytest

from chat.outbox import PIECE_BYTES, Outbox
from contract import limits
from contract.errors import ApiError
from contract.held_bytes import HeldBytes
from contract.ids import new_id


@pytest.fixture
def whose(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(limits, "ACCOUNT_BYTES", 8 * PIECE_BYTES)
    return new_id("account")


def has_room(whose: str) -> bool:
    """Whether the first byte of another body of this caller is taken."""
    body = HeldBytes(whose)
    try:
        body.take_in(1)
    except ApiError as error:
        assert error.code == "rate_limited"
        return False
    finally:
        body.drop()
    return True


def filled(whose: str) -> list[Outbox]:
    outboxes = [Outbox(whose) for _ in range(3)]
    for outbox in outboxes:
        for _ in range(3):
            outbox.put(b"x" * PIECE_BYTES)
    return outboxes


def test_streams_that_are_not_read_keep_out_bodies_of_the_same_caller(whose: str):
    async def flow() -> None:
        first, *_ = outboxes = filled(whose)
        assert not has_room(whose)
        assert has_room(new_id("account"))
        while first.take():
            pass
        assert has_room(whose)
        for outbox in outboxes:
            while outbox.take():
                pass
        again = HeldBytes(whose)
        again.take_in(limits.ACCOUNT_BYTES)
        again.drop()

    asyncio.run(flow())


def test_a_caller_who_leaves_holds_nothing_any_more(whose: str):
    async def flow() -> None:
        outboxes = filled(whose)
        assert not has_room(whose)
        for outbox in outboxes:
            outbox.abandon()
            outbox.put(b"x" * PIECE_BYTES * 2)
        again = HeldBytes(whose)
        again.take_in(limits.ACCOUNT_BYTES)
        again.drop()

    asyncio.run(flow())
