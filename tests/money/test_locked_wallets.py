"""Somebody has a customer's wallet locked for seconds: that customer waits, nobody else does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest

from tests.customer import Customer
from tests.gate import Gate, assert_nothing_held, calling

LOCKED_SECONDS = 2.0


@contextmanager
def locked(connect: Callable[[], psycopg.Connection[Any]], *owners: Customer) -> Iterator[threading.Event]:
    """Their wallets are locked until LOCKED_SECONDS after the event was set, or the body ends."""
    lock = connect()
    lock.autocommit = False
    lock.execute("select 1 from wallets_wallet where id = any(%s) for update", [[owner.wallet.pk for owner in owners]])
    counting = threading.Event()

    def let_go() -> None:
        counting.wait()
        threading.Event().wait(LOCKED_SECONDS)
        lock.rollback()

    releasing = threading.Thread(target=let_go)
    releasing.start()
    try:
        yield counting
    finally:
        counting.set()
        releasing.join()


def answer_of(outcome: list[Any]) -> dict[str, Any]:
    assert outcome[0].status_code == 200, outcome[0].text
    answer: dict[str, Any] = outcome[0].json()
    return answer


def assert_charged_once(owner: Customer, *answers: dict[str, Any]) -> None:
    charged = {record.pk: str(record.charged_credits) for record in owner.records if record.status == "charged"}
    assert charged == {answer["id"]: answer["usage"]["credits"] for answer in answers}
    assert_nothing_held(owner)


def test_a_locked_wallet_stalls_no_other_customers_calls(customer: Callable[..., Customer], connect: Any):
    """A's calls ask for a hold of a locked wallet; B's go on, hold to charge, and A's are answered when the lock goes."""
    first, second = customer(), customer()
    with locked(connect, first) as counting, calling(first, "Say hi in five words.") as outcome:
        answers = [second.chat().json() for _ in range(30)]
        assert outcome == [], "the wallet is locked, and was charged"
        counting.set()
    assert_charged_once(second, *answers)
    assert_charged_once(first, answer_of(outcome))


def test_a_locked_wallet_stalls_no_other_customers_charge(customer: Callable[..., Customer], connect: Any, gate: Gate):
    """Both wait at the provider; A's wallet is locked when both are to be charged."""
    first, second = customer(), customer()
    with calling(first, gate.text) as outcome, calling(second, gate.text) as other:
        gate.wait(2)
        with locked(connect, first) as counting:
            gate.open()
            while not other:
                threading.Event().wait(0.01)
            assert outcome == [], "the wallet is locked, and was charged"
            counting.set()
    assert_charged_once(second, answer_of(other))
    assert_charged_once(first, answer_of(outcome))


@pytest.mark.parametrize("wallets", [1, 6])
def test_many_calls_of_locked_wallets_leave_room_for_others(customer: Callable[..., Customer], connect: Any, wallets: int):
    """More calls wait for locked wallets than the process has connections to its database."""
    waiting, free = [customer() for _ in range(wallets)], customer()
    with locked(connect, *waiting) as counting, ExitStack() as under_way:
        outcomes = [under_way.enter_context(calling(waiting[number % wallets], "Say hi in five words.")) for number in range(24)]
        answers = [free.chat().json() for _ in range(10)]
        assert not any(outcomes), "a wallet is locked, and was charged"
        counting.set()
    assert_charged_once(free, *answers)
    told = [answer_of(outcome) for outcome in outcomes]
    for number, owner in enumerate(waiting):
        assert_charged_once(owner, *told[number::wallets])
