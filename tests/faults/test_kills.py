"""kill -9 at random moments under load: whatever dies, every call is answered in the end and charged once, and nothing stays held."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.customer import Customer
from tests.faults.judge import judge
from tests.faults.load import Load
from tests.faults.stack import Part, Stack, kill
from tests.faults.tally import count, count_load

pytestmark = pytest.mark.slow


@pytest.fixture
def survive(stack: Stack, customers: Callable[..., list[Customer]], rng: random.Random, seed: str, rounds: int, what: str) -> Callable:
    """Kills what `victims` names of each round, under load, and judges."""

    def survive(victims: Callable[[int], list[Part]]) -> Load:
        load = Load(v1s=stack.v1s, owners=customers(), seed=seed)
        with load.running():
            for number in range(rounds):
                load.wait_for(10)
                for victim in victims(number):
                    kill(victim, rng=rng)
                    count(what, kills=1)
        judge(load)
        count(what, rounds=rounds)
        count_load(what, load)
        return load

    return survive


def test_killed_web_processes(stack: Stack, survive: Callable, rng: random.Random):
    load = survive(lambda number: [rng.choice(stack.webs)])
    assert load.was_disturbed


def test_killed_postgresql(stack: Stack, survive: Callable):
    survive(lambda number: [stack.postgres])


def test_killed_valkey(stack: Stack, survive: Callable):
    survive(lambda number: [stack.valkey])


def test_killed_provider(stack: Stack, survive: Callable):
    load = survive(lambda number: [stack.provider])
    assert load.was_disturbed


def test_killed_workers(stack: Stack, survive: Callable, rng: random.Random):
    """Once a web process with the first, whose calls the next workers end."""
    load = survive(lambda number: [stack.worker] + [rng.choice(stack.webs)] * (number == 0))
    assert load.was_disturbed
