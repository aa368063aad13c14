"""Fixtures of the tests that kill things. `ROUNDS` (5) and `SEED` come from the environment; a failing test names its seed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from tests.customer import Customer
from tests.faults.stack import Stack, Worker, looking_at
from tests.faults.tally import TALLY, count, table
from tests.servers import SERVERS
from wallets import budgets
from wallets.models import CapWindow

ROUNDS = int(os.environ.get("ROUNDS") or 5)
# Workers for the short steps of tasks and for their long calls, as the demo has them
SHORT = ("--queues", "music", "--pool", "threads", "--concurrency", "4")
CALLS = ("--queues", "music-calls", "--pool", "threads", "--concurrency", "16")
SEED = os.environ.get("SEED") or str(random.SystemRandom().randrange(10**6))


@pytest.fixture(scope="package")
def stack(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    """A site of its own, which Django's connections of this process go to, too."""
    stack = Stack(SERVERS.var / "faults")
    try:
        stack.start()
        with django_db_blocker.unblock(), looking_at(stack.postgres.url):
            yield stack
    finally:
        stack.stop()


@pytest.fixture
def music(stack: Stack, storage: None) -> Iterator[list[Worker]]:
    """Workers for the short steps of tasks and for their long calls, as the demo has them; at rest again at the end."""
    workers = [stack.start_worker("worker-music", *SHORT), stack.start_worker("worker-music-calls", *CALLS)]
    for worker in workers:
        worker.wait()
    yield workers
    for worker in workers:
        worker.stop()


@pytest.fixture
def storage(stack: Stack, settings: Any) -> None:
    """This process looks into the stack's storage."""
    default = {**settings.STORAGES["default"], "OPTIONS": {"location": stack.files}}
    settings.STORAGES = {**settings.STORAGES, "default": default}


@pytest.fixture
def rounds() -> int:
    return ROUNDS


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """Every test's own, made from the run's."""
    print(f"SEED={SEED} repeats it")
    return f"{SEED}/{request.node.name}"


@pytest.fixture
def rng(seed: str) -> random.Random:
    return random.Random(seed)


@pytest.fixture
def customers(stack: Stack) -> Callable[..., list[Customer]]:
    """Makes so many customers of the stack. The keys of every other one have spend caps, which the judge's audit compares."""

    def make(number: int = 4, **fields: Any) -> list[Customer]:
        made = [Customer(stack.v1s[0], **{"balance": "100000", "requests_per_minute": 1_000_000, **fields}) for _ in range(number)]
        for owner in made[::2]:
            budgets.set_caps(owner.wallet, key_id=owner.key.pk, limits=dict.fromkeys(CapWindow.values, Decimal(90_000)), actor=None)
        return made

    return make


@pytest.fixture
def what(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test's row in the table of the run; its time counts."""
    name = request.node.name.removeprefix("test_")
    began = time.monotonic()
    yield name
    count(name, seconds=round(time.monotonic() - began))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY:
        terminalreporter.section(f"faults: ROUNDS={ROUNDS} SEED={SEED}")
        for line in table():
            terminalreporter.write_line(line)
