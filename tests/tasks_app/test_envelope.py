"""A task as the API shows it, in every state."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks_app import ending
from tasks_app.answers import TaskEnvelope, TaskSummary
from tasks_app.ending import Failure
from tasks_app.envelope import EXPANDABLE, envelope, summary
from tasks_app.models import Task
from tests.answers import assert_shape
from tests.tasks_app.paid_task import paid_task
from tests.tasks_app.states import stored, succeeded

pytestmark = pytest.mark.django_db


def test_a_queued_task_has_everything_but_output():
    task = paid_task(metadata={"order": "7"}, warnings=[{"message": "Left out.", "field": "/title", "code": "ignored"}])
    told = envelope(task)
    assert_shape(told, TaskEnvelope)
    assert told == {
        "object": "task",
        "task_id": task.pk,
        "status": "queued",
        "capability": "text_to_music",
        "model": "auto",
        "resolved_model": "minimax-music-2.6",
        "metadata": {"order": "7"},
        "input": {
            "prompt": "A calm piano piece",
            "lyrics": None,
            "title": None,
            "instrumental": True,
            "model_options": None,
            "reference_audio": None,
        },
        "progress": {"percent": 0, "stage": "queued", "message": None},
        "output": None,
        "warnings": [{"code": "ignored", "message": "Left out.", "field": "/title"}],
        "error": None,
        "usage": {
            "audio_seconds": 0.0,
            "characters": 18,
            "lines": [
                {
                    "meter": "task",
                    "quantity": 1,
                    "unit": "task",
                    "billed_amount_credits": "50.0000",
                    "billed_amount_credits_usd_reference": "0.0500",
                }
            ],
            "credits": "50.0000",
            "credits_usd_reference": "0.0500",
        },
        "billing": {
            "charged_credits": "50.0000",
            "refunded_credits": "0.0000",
            "charged_credits_usd_reference": "0.0500",
            "refunded_credits_usd_reference": "0.0000",
            "currency": "USD",
        },
        "created_at": told["created_at"],
        "started_at": None,
        "completed_at": None,
        "cancel_requested_at": None,
        "links": {"self": f"/v1/tasks/{task.pk}", "cancel": f"/v1/tasks/{task.pk}/cancel"},
    }


def test_a_failed_task_says_why_and_was_refunded():
    task = paid_task()
    ending.fail(task.pk, Failure("invalid_request", "The file is no audio.", retryable=False, param="/reference_audio/url"))
    told = envelope(Task.objects.get(pk=task.pk))
    assert_shape(told, TaskEnvelope)
    assert list(told["error"].items()) == [
        ("code", "invalid_request"),
        ("message", "The file is no audio."),
        ("retryable", False),
        ("param", "/reference_audio/url"),
        ("details", None),
    ]
    assert (told["output"], told["progress"]["stage"], told["usage"]["credits"]) == (None, "done", "50.0000")
    assert told["billing"]["refunded_credits"] == "50.0000"
    assert told["billing"]["refunded_credits_usd_reference"] == "0.0500"


@pytest.mark.parametrize(
    ("gone", "is_there"),
    [({}, True), ({"removed_at": timezone.now()}, False), ({"expires_at": timezone.now() - timedelta(seconds=1)}, False)],
    ids=["stored", "removed", "expired"],
)
def test_a_clip_has_its_file_as_long_as_it_is_kept(gone, is_there):
    task = paid_task()
    stored(task, kind="reference", duration_seconds=400)
    first, second = stored(task), stored(task, **gone)
    told = envelope(succeeded(second, first))
    assert_shape(told, TaskEnvelope)
    audio = told["output"]["clips"][0]["audio"]
    assert [clip["audio"]["artifact_id"] for clip in told["output"]["clips"]] == [second.pk, first.pk]
    assert (audio["url"] is not None) == is_there
    assert {**audio, "url": None} == {
        "url": None,
        "artifact_id": second.pk,
        "duration_seconds": 24.5,
        "mime_type": "audio/mpeg",
        "size_bytes": 4000,
    }
    assert told["usage"]["audio_seconds"] == 49


@pytest.mark.parametrize(
    "reference",
    [
        {"type": "artifact", "artifact_id": "art_01JZ5Q3V8YB6K2N4P7R9T1V3X5"},
        {"type": "url", "url": "https://example.com/a.mp3"},
        {"type": "data_uri"},
    ],
    ids=lambda reference: reference["type"],
)
def test_a_reference_is_named_and_never_its_bytes(reference):
    task = paid_task(
        input={"prompt": "Like this", "lyrics": "la la", "reference_audio": {**reference, "data": "data:audio/mpeg;base64,AAAA"}}
    )
    told = envelope(task)
    assert_shape(told, TaskEnvelope)
    assert (told["input"]["reference_audio"], told["usage"]["characters"]) == (reference, 14)


def test_a_summary_has_what_is_asked_for():
    task = paid_task()
    whole = envelope(task)
    for expand in ((), ("usage",), ("input", "output", "billing")):
        told = summary(task, expand=expand)
        assert_shape(told, TaskSummary)
        left_out = set(EXPANDABLE) - set(expand)
        assert told == {name: value for name, value in whole.items() if name not in left_out}


def test_it_takes_a_query_for_the_files_alone(django_assert_num_queries):
    task = Task.objects.select_related("usage").get(pk=paid_task().pk)
    with django_assert_num_queries(0):
        envelope(task)
    done = Task.objects.select_related("usage").get(pk=succeeded(stored(task)).pk)
    with django_assert_num_queries(1):
        envelope(done)
