"""kill -9 at random moments while music is made: every task ends, once, with its money and its files where they belong."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

import pytest
import redis

from tasks_app.engine import attempts
from tests.customer import Customer
from tests.faults.music import Orders
from tests.faults.stack import Part, Stack, Worker
from tests.faults.tally import count
from tests.faults.task_judge import assert_files, judge_tasks

pytestmark = pytest.mark.slow

A_ROUND = 20
KILLS = 3


def kill_some(stack: Stack, victims: list[Part], rng: random.Random) -> None:
    """One after the other, each started again at once, and waited for when all are; Valkey may come back empty."""
    for victim in victims:
        time.sleep(rng.uniform(0.1, 2))
        if victim is stack.valkey and rng.random() < 0.5:
            with redis.Redis.from_url(stack.valkey.url) as broker:
                broker.flushall()
        victim.kill()
        victim.start()
        if victim is stack.valkey:  # what needs it to start waits for it anyway
            victim.wait()
    for victim in victims:
        victim.wait()


def test_tasks_survive_everything(
    stack: Stack,
    music: list[Worker],
    customers: Callable[..., list[Customer]],
    rng: random.Random,
    seed: str,
    rounds: int,
    what: str,
):
    orders = Orders(v1s=stack.v1s, owners=customers(), seed=seed)
    everything: list[Part] = [*music, stack.worker, stack.valkey, stack.postgres, stack.provider, *stack.webs]
    for _ in range(rounds):
        with orders.coming(A_ROUND):
            kill_some(stack, rng.sample(everything, KILLS), rng)
        count(what, rounds=1, kills=KILLS)
    tasks = judge_tasks(orders, stack)
    ends = Counter(task.status for task in tasks)
    assert min(ends["succeeded"], ends["failed"], ends["canceled"]) > 0, ends
    for worker in music:
        worker.stop()
    assert_files(stack, orders.owners)
    tries = [attempt for task in tasks for attempt in task.attempts]
    count(
        what,
        calls=len(tasks),
        answered=len(tasks),
        charged=ends["succeeded"],
        retries=len(tries) - sum(bool(task.attempts) for task in tasks),
        lost=sum(attempt.get("outcome") == attempts.UNKNOWN for attempt in tries),
        audits=1,
    )
