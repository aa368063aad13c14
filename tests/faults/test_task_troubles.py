"""One trouble at a time while music is made: too many beats and workers, PostgreSQL or the storage away for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tasks_app.engine import attempts
from tasks_app.models import Task
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.faults.judge import assert_books
from tests.faults.music import MINIMAX, SUNO, marker
from tests.faults.stack import Stack, Worker
from tests.faults.task_judge import assert_explained, assert_files, assert_paid, assert_playable, generations, told, wait_until_ended
from tests.gate import Gate

pytestmark = pytest.mark.slow


@pytest.fixture
def owner(customers: Callable[..., list[Customer]]) -> Customer:
    (owner,) = customers(1)
    return owner


def create(owner: Customer, model: str, name: str, *directives: str) -> None:
    told = " ".join(f"[[{one}]]" for one in (f"script:{marker(name)}", *directives))
    body = {"model": model, "prompt": f"A calm song {told}", "instrumental": True, "metadata": {"name": name}}
    answer = owner.http.post("/music/text-to-music", json=body)
    assert answer.status_code == 202, answer.text


def judge(stack: Stack, music: list[Worker], owner: Customer, *, spare: int) -> None:
    """All have succeeded, generated once each; `spare` of them may have been sent once more, where a worker lost its claim."""
    tasks, unknown = wait_until_ended([owner]), 0
    made = generations(stack)
    for task in tasks:
        assert task.status == "succeeded", told(task)
        assert_paid(task)
        assert_playable(task, owner)
        assert_explained(task, made[marker(task.metadata["name"])])
        unknown += attempts.unknown(task)
        assert len(task.attempts) == 1 + attempts.unknown(task), told(task)
    assert unknown <= spare
    assert_books([owner])
    for worker in music:
        worker.stop()
    assert_files(stack, [owner])


def test_two_beats_and_four_workers_do_each_thing_once(stack: Stack, music: list[Worker], owner: Customer, seed: str):
    second = stack.start_worker(
        "worker-2", "--queues", "beatra,outside", "--beat", "--schedule-filename", str(stack.files.parent / "beat-2")
    )
    more = [stack.start_worker(f"music-{number}", "--queues", "music,music-calls", "--pool", "threads") for number in (2, 3)]
    try:
        for worker in (second, *more):
            worker.wait()
        for number in range(20):
            create(owner, (SUNO, MINIMAX)[number % 2], f"{seed}-{number}", "generation_ms=500")
        judge(stack, [*music, *more], owner, spare=0)
    finally:
        for worker in (second, *more):
            worker.stop()


def test_postgresql_is_killed_while_a_provider_is_at_work(stack: Stack, music: list[Worker], owner: Customer, seed: str):
    gate = Gate(stack.sandbox)
    create(owner, MINIMAX, f"{seed}-call", f"gate={gate.name} gate_at=generating")
    create(owner, SUNO, f"{seed}-submit", f"gate={gate.name} gate_at=answer")
    create(owner, SUNO, f"{seed}-poll", f"poll.gate={gate.name} poll.gate_at=answer")
    gate.wait(3)
    stack.postgres.kill()
    stack.postgres.start()
    stack.postgres.wait()
    gate.open()
    judge(stack, music, owner, spare=3)


@contextmanager
def full_storage(stack: Stack) -> Iterator[None]:
    """Nothing can be written, nor read, while the body runs."""
    aside = stack.files.with_name("files-aside")
    stack.files.mkdir(exist_ok=True)
    stack.files.rename(aside)
    stack.files.write_text("in the way")
    try:
        yield
    finally:
        stack.files.unlink()
        aside.rename(stack.files)


def test_a_storage_that_refuses_for_a_while_is_waited_for(stack: Stack, music: list[Worker], owner: Customer, seed: str):
    with full_storage(stack):
        for model in (SUNO, MINIMAX):
            create(owner, model, f"{seed}-{model}")
        tells = [worker for worker in music if eventually(lambda worker=worker: "the storage takes no file" in worker.log, seconds=30)]
        assert tells == music
        assert not Task.objects.filter(account=owner.account).exclude(completed_at=None).exists()
    judge(stack, music, owner, spare=0)
