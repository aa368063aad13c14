"""A call that has been held for runs to its charge, or to nothing: whoever leaves, and whatever dies."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.db.models import F

from contract.ids import new_id
from tests.contract.wire import eventually
from tests.customer import Customer
from wallets.audit import audit
from wallets.models import Process, UsageRecord
from wallets.sweeper import sweep


class Gate:
    """Calls that name it wait at the sandbox until it is opened."""

    def __init__(self, sandbox: str) -> None:
        self.name = new_id("gate")
        self.url = f"{sandbox}/control/gates/{self.name}"
        self.text = f"[[gate={self.name}]] Say hi in five words."

    def wait(self, calls: int = 1) -> None:
        assert httpx.get(self.url, params={"waiting": calls}, timeout=60).json()["waiting"] == calls

    def open(self) -> None:
        httpx.post(f"{self.url}/release")


@pytest.fixture
def gate(sandbox: str) -> Gate:
    return Gate(sandbox)


@contextmanager
def calling(owner: Customer, text: str) -> Iterator[list[Any]]:
    """One call under way in a thread; what came of it is in the list at the end."""
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append(owner.chat(text))
        except httpx.HTTPError as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    yield outcome
    thread.join()


def closed(owner: Customer, *, seconds: float = 15) -> UsageRecord:
    """The customer's one record, once it is closed."""
    deadline = time.monotonic() + seconds
    while (record := owner.record).status == "open":
        assert time.monotonic() < deadline, "the record stays open"
        time.sleep(0.05)
    return record


def assert_nothing_held(owner: Customer) -> None:
    wallet = owner.wallet
    assert (wallet.held, wallet.in_flight) == (0, 0)
    assert [difference for difference in audit() if difference.wallet_id == wallet.pk] == []


def test_a_caller_who_hangs_up_pays_for_the_finished_answer(site: Any, customer: Callable[..., Customer], gate: Gate):
    owner = customer()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{owner.v1}/chat/completions",
            headers={**owner.headers, "X-Request-Id": gate.name},
            json={"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": gate.text}]},
            timeout=httpx.Timeout(30, read=1),
        )
    gate.wait()
    assert owner.wallet.in_flight == 1
    # The server learns of it by the closed connection, not by us.
    assert eventually(lambda: any(gate.name in line and '"status":499' in line for line in site.web.log.splitlines()))
    gate.open()
    record = closed(owner)
    assert (record.status, record.clause, record.estimated) == ("charged", "drained", False)
    assert record.charged_credits > 0
    assert owner.wallet.balance == 1000 - record.charged_credits
    assert_nothing_held(owner)


def test_while_a_call_runs_its_hold_is_not_available(customer: Callable[..., Customer], gate: Gate):
    owner = customer()
    with calling(owner, gate.text) as outcome:
        gate.wait()
        wallet = owner.wallet
        assert (wallet.balance, wallet.in_flight) == (1000, 1)
        assert wallet.held == owner.record.hold_credits > 0
        gate.open()
    assert outcome[0].status_code == 200
    assert_nothing_held(owner)


def test_a_shutdown_waits_for_the_calls_in_flight(site: Any, customer: Callable[..., Customer], gate: Gate):
    web = site.start_web()
    owner = customer()
    owner.v1 = web.v1
    with calling(owner, gate.text) as outcome:
        gate.wait()
        stopping = threading.Thread(target=web.stop)
        stopping.start()
        time.sleep(1)
        gate.open()
    stopping.join()
    assert outcome[0].status_code == 200
    assert (owner.record.status, owner.record.clause) == ("charged", "complete")
    assert_nothing_held(owner)


def test_a_shutdown_does_not_wait_for_ever(site: Any, customer: Callable[..., Customer], gate: Gate):
    web = site.start_web({"DRAIN_SECONDS": "1"})
    owner = customer()
    owner.v1 = web.v1
    with calling(owner, gate.text):
        gate.wait()
        web.stop()
    gate.open()
    record = owner.record
    assert (record.status, record.clause, record.charged_credits) == ("released", "lost", 0)
    assert_nothing_held(owner)


def test_a_process_killed_in_mid_call_costs_the_customer_nothing(site: Any, customer: Callable[..., Customer], gate: Gate):
    web = site.start_web()
    owner = customer()
    owner.v1 = web.v1
    with calling(owner, gate.text) as outcome:
        gate.wait()
        process = owner.record.process_id
        web.kill()
    gate.open()
    assert isinstance(outcome[0], httpx.HTTPError)
    sweep()
    assert owner.record.status == "open", "a process seen a moment ago is not given up"
    Process.objects.filter(pk=process).update(seen_at=F("seen_at") - dt.timedelta(seconds=31))
    sweep(gone_seconds=6)  # the silence counts from PostgreSQL's own start, and the tests' server may be younger than 30 s
    record = owner.record
    assert (record.status, record.clause, record.charged_credits) == ("released", "lost", 0)
    assert owner.wallet.balance == Decimal(1000)
    assert_nothing_held(owner)
