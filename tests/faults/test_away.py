"""Valkey away changes nothing for a caller; PostgreSQL away is 503; both are back without a restart of anything else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from keys import issuing
from tests.contract.wire import error_of, eventually
from tests.customer import Customer
from tests.faults.judge import assert_books, judge, wait_until_settled
from tests.faults.load import Load
from tests.faults.stack import Database, Stack
from tests.faults.tally import count, count_load
from tests.gate import Gate, calling

pytestmark = pytest.mark.slow


@contextmanager
def away(database: Database) -> Iterator[None]:
    """Killed for as long as the body runs."""
    database.kill()
    try:
        yield
    finally:
        database.start()
        database.wait()


def readiness(stack: Stack) -> list[httpx.Response]:
    return [httpx.get(f"{web.url}/readyz", timeout=30) for web in stack.webs]


def test_money_goes_on_while_valkey_is_away(stack: Stack, customers: Callable[..., list[Customer]], seed: str, what: str):
    processes = [web.pid for web in stack.webs]
    load = Load(v1s=stack.v1s, owners=customers(), seed=seed)
    with load.running():
        load.wait_for(20)
        with away(stack.valkey):
            load.wait_for(100)
            ready = readiness(stack)
            assert {(answer.status_code, answer.json()["checks"]["redis"]) for answer in ready} == {(200, "away")}
            load.wait_for(20)
        assert eventually(lambda: {answer.json()["checks"]["redis"] for answer in readiness(stack)} == {"ok"}, seconds=30)
        load.wait_for(20)
    assert not load.was_disturbed
    assert processes == [web.pid for web in stack.webs]
    judge(load)
    count(what, rounds=1, kills=1)
    count_load(what, load)


def test_a_key_revoked_while_valkey_is_away_is_refused_within_seconds(stack: Stack, customers: Callable[..., list[Customer]]):
    (owner,) = customers(1)
    assert owner.chat().status_code == 200
    with away(stack.valkey):
        assert issuing.revoke(owner.key, actor=None)
        assert eventually(lambda: owner.chat().status_code == 401, seconds=10)


def test_postgresql_away_is_503_and_back_without_a_restart(stack: Stack, customers: Callable[..., list[Customer]], what: str):
    """A call that waits at its provider meanwhile is charged when the database is back in time."""
    owners = customers(2)
    owner, waiting = owners
    gate = Gate(stack.sandbox)
    processes = [web.pid for web in stack.webs]
    with calling(waiting, gate.text) as outcome:
        gate.wait()
        with away(stack.postgres):
            refused = owner.chat()
            assert (refused.status_code, error_of(refused)["code"]) == (503, "service_unavailable")
            assert error_of(refused)["retryable"]
            assert int(refused.headers["Retry-After"]) >= 1
            assert error_of(owner.http.get("/wallet"))["code"] == "service_unavailable"
            assert owner.http.get("/health").json() == {"status": "ok"}
            assert {(answer.status_code, answer.json()["status"]) for answer in readiness(stack)} == {(503, "unavailable")}
            gate.open()
            time.sleep(1)
            assert outcome == [], "answered, and can't have been charged"
    assert outcome[0].status_code == 200
    assert outcome[0].json()["usage"]["credits"] == str(waiting.record.charged_credits)
    assert eventually(lambda: owner.chat().status_code == 200, seconds=30)
    assert processes == [web.pid for web in stack.webs]
    wait_until_settled(owners)
    assert_books(owners)
    count(what, rounds=1, kills=1, audits=1)


def test_a_database_that_stays_away_costs_nobody_anything(stack: Stack, customers: Callable[..., list[Customer]], seed: str, what: str):
    """Longer than a charge is tried for: what could not be recorded is answered as an error, and its retry is charged once."""
    load = Load(v1s=stack.v1s, owners=customers(), seed=seed)
    with load.running():
        load.wait_for(20)
        with away(stack.postgres):
            time.sleep(25)
        load.wait_for(20)
    assert load.was_disturbed
    judge(load)
    count(what, rounds=1, kills=1)
    count_load(what, load)
