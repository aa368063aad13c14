"""The database drops the connection in the middle of a hold or a charge: it is asked again, and nothing is written twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.customer import Customer
from tests.gate import Gate, assert_nothing_held, calling, closed
from tests.relay import Relay

WAITING = """
    select count(*) from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock' and query like 'with r as materialized%'"""
CUT = WAITING.replace("count(*)", "pg_terminate_backend(pid)")


def cut_while_it_waits(lock: psycopg.Connection[Any], watcher: psycopg.Connection[Any]) -> None:
    """End the connection that waits for the table, which `lock` has, in the middle of its statement, and then let the table go."""
    deadline = time.monotonic() + 20
    while not watcher.execute(WAITING).fetchone()[0] or not watcher.execute(CUT).fetchall():
        assert time.monotonic() < deadline, "nobody waits for the table"
        time.sleep(0.01)
    time.sleep(0.2)
    lock.rollback()


def locked(connect: Callable[[], psycopg.Connection[Any]], table: str) -> psycopg.Connection[Any]:
    """A connection that keeps others from writing to `table`."""
    lock = connect()
    lock.autocommit = False
    lock.execute(f"lock table {table} in share mode")
    return lock


def test_a_charge_whose_connection_is_cut_is_made_once(customer: Callable[..., Customer], gate: Gate, connect: Any):
    owner = customer()
    with calling(owner, gate.text) as outcome:
        gate.wait()
        lock = locked(connect, "wallets_ledgerentry")
        gate.open()
        cut_while_it_waits(lock, connect())
    assert outcome[0].status_code == 200
    assert outcome[0].json()["usage"]["credits"] == str(owner.record.charged_credits)
    assert len(owner.entries) == 1
    assert_nothing_held(owner)


def test_a_hold_whose_connection_is_cut_is_placed_once(customer: Callable[..., Customer], connect: Any):
    owner = customer()
    owner.chat()
    lock = locked(connect, "wallets_usagerecord")
    cutting = threading.Thread(target=cut_while_it_waits, args=(lock, connect()))
    cutting.start()
    response = owner.chat()
    cutting.join()
    assert response.status_code == 200
    assert (len(owner.records), len(owner.entries)) == (2, 2)
    assert_nothing_held(owner)


@pytest.fixture
def far(site: Any, customer: Callable[..., Customer]) -> Iterator[tuple[Customer, Relay]]:
    """A customer of a web process whose database is behind a relay."""
    database = urlsplit(site.database_url)
    relay = Relay(database.hostname or "", database.port or 5432)
    user = database.netloc.rpartition("@")[0]
    web = site.start_web({"DATABASE_URL": database._replace(netloc=f"{user}@127.0.0.1:{relay.port}").geturl()})
    owner = customer()
    owner.v1 = web.v1
    yield owner, relay
    web.stop()


def wait_until_charged(owner: Customer) -> None:
    deadline = time.monotonic() + 20
    while owner.record.status == "open":
        assert time.monotonic() < deadline, "the charge was not made"
        time.sleep(0.05)


@pytest.mark.parametrize("away_seconds", [1, pytest.param(24, marks=pytest.mark.slow)])
def test_a_charge_whose_acknowledgement_is_lost_is_still_answered(far: tuple[Customer, Relay], gate: Gate, away_seconds: int):
    owner, relay = far
    with calling(owner, gate.text) as outcome:
        gate.wait()
        relay.mute_from(b"insert into wallets_ledgerentry")
        gate.open()
        wait_until_charged(owner)
        relay.cut()
        time.sleep(away_seconds)
        relay.restore()
    assert outcome[0].status_code == 200
    assert outcome[0].json()["usage"]["credits"] == str(owner.record.charged_credits)
    assert len(owner.entries) == 1
    assert_nothing_held(owner)


@pytest.mark.slow
def test_after_a_long_outage_nothing_stays_held(far: tuple[Customer, Relay], gate: Gate):
    """The process lives on, so no sweeper looks after its calls: it ends them itself."""
    owner, relay = far
    with calling(owner, gate.text) as outcome:
        gate.wait()
        relay.cut()
        gate.open()
    assert (outcome[0].status_code, outcome[0].json()["error"]["code"]) == (500, "billing_failed")
    assert owner.wallet.in_flight == 1
    relay.restore()
    assert closed(owner).status == "released"
    assert owner.entries == []
    assert_nothing_held(owner)
