"""The database drops the connection in the middle of a hold or a charge: it is asked again, and nothing is written twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.chat.test_interrupted_calls import Gate, assert_nothing_held, calling
from tests.customer import Customer

WAITING = """
    select count(*) from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock' and query like 'with r as materialized%'"""
CUT = WAITING.replace("count(*)", "pg_terminate_backend(pid)")


@pytest.fixture
def gate(sandbox: str) -> Gate:
    return Gate(sandbox)


def cut_while_it_waits(lock: psycopg.Connection[Any], watcher: psycopg.Connection[Any]) -> None:
    """End the connection that waits for the wallet, which `lock` has, and then let the wallet go."""
    deadline = time.monotonic() + 20
    while not watcher.execute(WAITING).fetchone()[0]:
        assert time.monotonic() < deadline, "nobody waits for the wallet"
        time.sleep(0.01)
    watcher.execute(CUT)
    time.sleep(0.2)
    lock.rollback()


def locked(connect: Callable[[], psycopg.Connection[Any]], owner: Customer) -> psycopg.Connection[Any]:
    lock = connect()
    lock.autocommit = False
    lock.execute("select 1 from wallets_wallet where id = %s for update", [owner.wallet.pk])
    return lock


def test_a_charge_whose_connection_is_cut_is_made_once(customer: Callable[..., Customer], gate: Gate, connect: Any):
    owner = customer()
    with calling(owner, gate.text) as outcome:
        gate.wait()
        lock = locked(connect, owner)
        gate.open()
        cut_while_it_waits(lock, connect())
    assert outcome[0].status_code == 200
    assert outcome[0].json()["usage"]["credits"] == str(owner.record.charged_credits)
    assert len(owner.entries) == 1
    assert_nothing_held(owner)


def test_a_hold_whose_connection_is_cut_is_placed_once(customer: Callable[..., Customer], connect: Any):
    owner = customer()
    lock = locked(connect, owner)
    cutting = threading.Thread(target=cut_while_it_waits, args=(lock, connect()))
    cutting.start()
    response = owner.chat()
    cutting.join()
    assert response.status_code == 200
    assert (len(owner.records), len(owner.entries)) == (1, 1)
    assert_nothing_held(owner)
