"""Calls under way: held back at the sandbox, and looked at when they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from contract.ids import new_id
from tests.customer import Customer
from wallets.audit import audit
from wallets.models import UsageRecord


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


@contextmanager
def calling(owner: Customer, text: str, **fields: Any) -> Iterator[list[Any]]:
    """One call under way in a thread; what came of it is in the list at the end."""
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append(owner.chat(text, **fields))
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
