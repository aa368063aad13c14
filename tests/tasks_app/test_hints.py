"""What workers are told of due tasks: by beat, each once in a while, on the queue that its next step is for."""

from __future__ import annotations

import base64
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import redis
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Route
from tasks_app import hinting, tasks
from tasks_app.models import Task
from tests.contract.wire import eventually
from tests.relay import Relay
from tests.tasks_app import asking
from tests.tasks_app.works import work

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def hints():
    """The queues on which a task was hinted at, so far."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as broker:

        def of(task: Task) -> list[str]:
            found = []
            for queue in (hinting.SHORT, hinting.CALLS):
                for message in broker.lrange(queue, 0, -1):
                    arguments, *_ = json.loads(base64.b64decode(json.loads(message)["body"]))
                    found += [queue] * (arguments == [task.pk])
            return found

        yield of


def test_a_new_task_is_hinted_at_once_it_is_committed(hints):
    task = work("suno")
    with transaction.atomic():
        hinting.enqueue(task, blocks=False)
        assert hints(task) == []
    assert eventually(lambda: hints(task) == ["music"])


def test_a_view_in_a_thread_of_its_own_tells_the_same_broker(hints):
    task = work("suno")

    def view() -> None:
        hinting.enqueue(task, blocks=False)
        connection.close()

    thread = threading.Thread(target=view)
    thread.start()
    thread.join()
    assert eventually(lambda: hints(task) == ["music"])


def test_a_broker_that_hangs_holds_up_no_request(customer, site):
    url = urlsplit(os.environ["REDIS_URL"])
    relay = Relay(url.hostname or "", url.port or 0)
    through = url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{relay.port}").geturl()
    web = site.start_web({"REDIS_URL": through, "TOKEN_BUCKET_SECONDS": "0.2"})
    owner = customer(balance=1000)
    relay.mute()
    try:
        # Each would wait for the broker's own time-outs, half a minute and more
        answers = [asking.ask(owner, asking.SUNO, v1=web.v1) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202] * 3
        assert "a task's step was not sent" not in web.log, "nobody has waited for that"
    finally:
        relay.cut()
        web.kill()


def test_what_is_to_be_fetched_is_for_the_workers_of_calls_that_last(hints):
    task = work("suno", reference_audio={"type": "url", "url": "https://music.example/track.mp3"}, capability="reference_audio_to_music")
    tasks.enqueue_due()
    assert hints(task) == ["music-calls"]


def test_what_is_due_is_hinted_at_once_in_a_while(hints):
    task, later = work("suno"), work("suno", next_run_at=timezone.now() + timedelta(hours=1))
    tasks.enqueue_due()
    tasks.enqueue_due()
    assert (hints(task), hints(later)) == (["music"], [])
    Task.objects.filter(pk=task.pk).update(hinted_at=Now() - timedelta(seconds=tasks.HINT_SECONDS))
    tasks.enqueue_due()
    assert hints(task) == ["music"] * 2


def test_beats_at_once_hint_once(hints):
    several = [work("suno") for _ in range(5)]

    def run(_: int) -> None:
        tasks.enqueue_due()
        connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, range(4)))
    assert [hints(task) for task in several] == [["music"]] * 5


@pytest.mark.parametrize(("family", "queue"), [("suno", "music"), ("minimax", "music-calls")])
def test_a_call_that_lasts_has_a_queue_of_its_own(hints, family, queue):
    task = work(family)
    tasks.enqueue_due()
    assert hints(task) == [queue]


def test_a_step_sends_the_hint_of_the_next(hints):
    """Called here, it came by no queue: as on one of short steps."""
    task = work("minimax")
    tasks.step(task.pk)
    assert hints(task) == ["music-calls"]


def test_routes_are_read_once_for_many_tasks():
    for family in ("suno", "minimax"):
        for _ in range(4):
            task = work(family)
            route = Route.objects.get(model=task.model)
            Task.objects.filter(pk=task.pk).update(route=route, attempts=[{"model": task.model, "route": route.name}])
        work(family)
    with CaptureQueriesContext(connection) as queries:
        tasks.enqueue_due()
    asked = [query["sql"] for query in queries]
    batches = sum("SKIP LOCKED" in sql for sql in asked)
    assert batches > 0
    assert sum('FROM "catalog_route"' in sql for sql in asked) <= batches


def test_a_row_that_can_not_be_read_holds_up_no_other(hints):
    task, poisoned = work("minimax"), work("suno", attempts=[{"outcome": "no route"}])
    tasks.enqueue_due()
    Task.objects.filter(pk=poisoned.pk).update(attempts=[])
    assert hints(task) == hints(poisoned) == ["music"]
