"""A provider's callback brings the next poll forward, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tasks_app.models import Task
from tasks_app.music import nudges
from tests.tasks_app.paid_task import paid_task


def waiting(**fields) -> Task:
    """A task that is asked about in a while."""
    now = timezone.now()
    values = {"status": "running", "stage": "generating", "started_at": now, "deadline_at": now + timedelta(hours=1)}
    values |= {"provider_task_id": "5c79be8e", "next_run_at": now + timedelta(minutes=10), "run": 3, **fields}
    return paid_task(**values)


def path(task: Task) -> str:
    return "/" + nudges.address(task.pk).split("/", 3)[3]


def is_due(task: Task) -> bool:
    return Task.objects.filter(pk=task.pk, next_run_at__lte=timezone.now()).exists()


@pytest.mark.django_db
class TestNudges:
    def test_the_address_is_the_sites(self, settings):
        settings.SITE_URL = "https://beatra.example"
        assert nudges.address("tsk_1").startswith("https://beatra.example/webhooks/suno/tsk_1.")

    def test_a_waiting_task_is_due_at_once(self, django_capture_on_commit_callbacks):
        task, other = waiting(), waiting()
        with django_capture_on_commit_callbacks() as hints:
            answer = Client(enforce_csrf_checks=True).post(path(task), b'{"code":200}', content_type="application/json")
        assert (answer.status_code, answer.content, len(hints)) == (200, b"", 1)
        assert (is_due(task), is_due(other)) == (True, False)
        before = task.run
        task.refresh_from_db()
        assert (task.status, task.stage, task.run, task.made) == ("running", "generating", before, [])

    @pytest.mark.parametrize("body", [b"", b"\xff", b'{"code":501,"data":{"callbackType":"error","task_id":"x"}}'])
    def test_nothing_it_says_is_read(self, body):
        task = waiting()
        assert Client().post(path(task), body, content_type="application/json").status_code == 200
        assert is_due(task)

    @pytest.mark.parametrize(
        "fields",
        [
            {"provider_task_id": ""},
            {"stage": "saving"},
            {"status": "queued", "stage": "queued", "provider_task_id": ""},
            {"status": "canceled", "stage": "done", "completed_at": timezone.now(), "next_run_at": None},
        ],
        ids=["not submitted", "saving", "queued", "ended"],
    )
    def test_a_task_that_waits_for_no_poll_is_left_alone(self, django_capture_on_commit_callbacks, fields):
        task = waiting(**fields)
        with django_capture_on_commit_callbacks() as hints:
            assert Client().post(path(task)).status_code == 200
        assert (is_due(task), hints) == (False, [])

    @pytest.mark.parametrize("forge", [lambda token: token[:-1] + "!", lambda token: token.split(".")[0], lambda token: "x", lambda t: "é"])
    def test_a_forged_one_is_answered_the_same_and_does_nothing(self, forge):
        task = waiting()
        root, token = path(task).rsplit("/", 1)
        answer = Client().post(f"{root}/{forge(token)}")
        assert (answer.status_code, answer.content, is_due(task)) == (200, b"", False)

    def test_another_tasks_is_not_ones_own(self):
        task, other = waiting(), waiting()
        signature = path(other).rsplit(".", 1)[1]
        assert Client().post(f"/webhooks/suno/{task.pk}.{signature}").status_code == 200
        assert not is_due(task)

    def test_looking_at_it_does_nothing(self):
        task = waiting()
        assert Client().get(path(task)).status_code == 405
        assert not is_due(task)
