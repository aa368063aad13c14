"""Real workers with beat, killed and doubled, a broker that forgets: each task is sent once, but once more where nobody can know."""

from __future__ import annotations

import os
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import current_app
from django.db import connection
from django.db.models.functions import Now
from kombu import Connection

from tasks_app import hinting
from tasks_app.models import Task
from tests.servers import SERVERS, Server
from tests.tasks_app.stand_in import Hold, StandIn, fine, stand_in, working
from tests.tasks_app.works import COST, assert_sound, outcomes, prompt, record, work

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("committed")]

PATIENCE_SECONDS = 120
BROKER = 3
"""The database of Valkey that these workers have for themselves."""


class Worker(Server):
    """All queues, or these, threads, and beat."""

    def __init__(self, name: str, *, provider: StandIn, claim_seconds: int, queues: str = "", concurrency: int = 8) -> None:
        url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
        environment = {"DATABASE_URL": url, "REDIS_URL": broker_url(), "SANDBOX_URL": provider.url}
        environment["TASK_CLAIM_SECONDS"] = str(claim_seconds)
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "beatra_site",
            "worker",
            "--beat",
            "--pool",
            "threads",
            "--concurrency",
            str(concurrency),
        ]
        command += ["--schedule-filename", str(SERVERS.var / f"{name}-schedule"), "--hostname", f"{name}@%h"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "info"]
        command += ["--queues", queues] if queues else []
        super().__init__(name, command, var=SERVERS.var, environment=environment)

    def end(self) -> None:
        if self.process is not None:
            self.kill()


def broker_url() -> str:
    return urllib.parse.urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{BROKER}").geturl()


@pytest.fixture(scope="module")
def provider() -> Iterator[StandIn]:
    with stand_in() as provider:
        yield provider


@pytest.fixture
def start(provider: StandIn) -> Iterator[Callable[..., Worker]]:
    """Starts a worker, which is killed at the end."""
    with redis.Redis.from_url(broker_url()) as broker:
        broker.flushdb()
    started: list[Worker] = []

    def start(name: str = "engine", *, claim_seconds: int = 15, **options: Any) -> Worker:
        started.append(Worker(name, provider=provider, claim_seconds=claim_seconds, **options))
        return started[-1]

    yield start
    for worker in started:
        worker.end()


def until(task: Task, what: Callable[[Task], bool], *, worker: Worker) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        task.refresh_from_db()
        if what(task):
            return
        assert worker.alive, worker.log[-3000:]
        assert time.monotonic() < deadline, f"{task.status} {task.stage} {task.attempts}\n{worker.log[-5000:]}"
        time.sleep(0.1)


def ended(task: Task, *, worker: Worker) -> Task:
    until(task, lambda task: task.is_final, worker=worker)
    return task


@pytest.mark.parametrize(
    ("family", "kind", "before", "submits"),
    [
        ("minimax", "submit", 0, 2),
        ("suno", "submit", 0, 2),
        ("suno", "poll", 1, 1),
        ("suno", "fetch", 0, 1),
        ("suno", "fetch", 1, 1),
    ],
)
def test_a_worker_that_is_killed_is_followed_by_another(provider, start, family, kind, before, submits):
    task = work(family)
    held = Hold()
    provider.script(prompt(task), kind, *[working() if kind == "poll" else fine] * before, held)
    worker = start(claim_seconds=6)
    held.wait()
    worker.kill()
    held.release.set()
    worker.start()
    ended(task, worker=worker)
    assert (task.status, provider.count(prompt(task), "submit")) == ("succeeded", submits), task.error
    assert [outcome for _, outcome, _ in outcomes(task)] == ["unknown"] * (submits - 1) + ["answered"]
    assert record(task).cost_usd == COST * submits
    assert len(task.clips) == {"suno": 2, "minimax": 1}[family]
    assert_sound(task)


def test_two_workers_and_two_beats_send_each_task_once(provider, start):
    tasks = [work(family) for family in ("suno", "minimax") * 5]
    workers = [start("engine-1"), start("engine-2")]
    for task in tasks:
        ended(task, worker=workers[0])
    assert [(task.status, provider.count(prompt(task), "submit"), len(task.attempts)) for task in tasks] == [("succeeded", 1, 1)] * 10
    for task in tasks:
        assert_sound(task)


def test_a_broker_that_has_lost_everything_has_lost_nothing(provider, start):
    task = work("suno")
    submit, poll = Hold(), Hold(working())
    provider.script(prompt(task), "submit", submit)
    provider.script(prompt(task), "poll", poll)
    worker = start()
    with redis.Redis.from_url(broker_url()) as broker:
        for held in (submit, poll):
            held.wait()
            broker.flushdb()
            held.release.set()
        until(task, lambda task: task.percent > 10, worker=worker)
        broker.flushdb()
    ended(task, worker=worker)
    assert (task.status, provider.count(prompt(task), "submit")) == ("succeeded", 1)
    assert_sound(task)


def test_a_cancel_does_not_wait_for_the_call_that_is_under_way(provider, start):
    task = work("minimax")
    held = Hold()
    provider.script(prompt(task), "submit", held)
    worker = start()
    held.wait()
    Task.objects.filter(pk=task.pk).update(cancel_requested_at=Now())
    ended(task, worker=worker)
    assert not held.release.is_set()
    held.release.set()
    assert (task.status, record(task).absorbed_cost_usd) == ("canceled", COST)
    assert_sound(task)


def test_a_call_may_last_for_longer_than_a_claim(provider, start):
    task = work("minimax")
    held = Hold()
    provider.script(prompt(task), "submit", held)
    worker = start()
    held.wait()
    first = Task.objects.get(pk=task.pk).next_run_at
    until(task, lambda task: task.next_run_at > first and task.percent > 10, worker=worker)
    held.release.set()
    ended(task, worker=worker)
    assert (task.status, provider.count(prompt(task), "submit"), task.run < 6) == ("succeeded", 1, True)
    assert_sound(task)


def test_no_worker_of_short_steps_makes_a_call_that_lasts(provider, start):
    task = work("minimax")
    held = Hold()
    provider.script(prompt(task), "submit", held)
    with Connection(broker_url()) as broker:
        for _ in range(2):
            current_app.send_task(hinting.STEP, [task.pk], queue=hinting.SHORT, connection=broker)
    short = start("short", queues="beatra,music", concurrency=1)
    other = work("suno")
    assert ended(other, worker=short).status == "succeeded"
    task.refresh_from_db()
    assert (task.status, provider.count(prompt(task), "submit")) == ("queued", 0)
    calls = start("calls", queues="music-calls")
    held.wait()
    short.kill()
    held.release.set()
    until(task, lambda task: task.stage == "saving", worker=calls)
    short.start()
    ended(task, worker=short)
    assert (task.status, provider.count(prompt(task), "submit")) == ("succeeded", 1)
    assert_sound(task)


def test_told_to_stop_it_ends_the_step_that_it_is_at(provider, start):
    task = work("suno")
    held = Hold()
    provider.script(prompt(task), "submit", held)
    worker = start()
    held.wait()
    worker.process.terminate()
    held.release.set()
    worker.process.wait(PATIENCE_SECONDS)
    task.refresh_from_db()
    assert task.provider_task_id
    worker.stop()
    worker.start()
    ended(task, worker=worker)
    assert (task.status, provider.count(prompt(task), "submit")) == ("succeeded", 1)
    assert_sound(task)
