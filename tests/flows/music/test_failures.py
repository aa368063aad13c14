"""Music whose provider refuses, is overloaded, breaks down, is late, or makes less than it should: what the customer is told, and pays."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from contract.ids import new_id
from tasks_app.models import Task
from tests.flows.music.music_site import MusicSite, assert_paid, assert_refunded, created
from tests.gate import Gate

pytestmark = pytest.mark.slow

MODELS = {"suno": "suno-5.5", "minimax": "minimax-music-2.6"}


def asked(family: str, words: str) -> dict[str, Any]:
    return {"model": MODELS[family], "prompt": f"A slow waltz {words}", "instrumental": True}


def made(music: MusicSite, word: str) -> int:
    return len(music.generations(word))


@pytest.mark.parametrize(
    ("family", "fault", "code", "generations"),
    [
        ("suno", "statuses=SENSITIVE_WORD_ERROR", "safety_rejected", 1),
        ("minimax", "base_resp=1026", "safety_rejected", 0),
        ("minimax", "base_resp=1027", "safety_rejected", 1),
        ("suno", "code=400", "invalid_request", 0),
        ("minimax", "base_resp=2013", "invalid_request", 0),
    ],
)
def test_what_a_provider_refuses_fails_at_once_and_is_refunded(music, family: str, fault: str, code: str, generations: int):
    owner, word = music.customer(), new_id("word")
    task = music.ended(owner, created(owner, asked(family, f"{word} [[{fault}]]"))["task_id"])
    assert (task["status"], task["error"]["code"], task["error"]["retryable"]) == ("failed", code, False)
    assert_refunded(owner, task)
    assert made(music, word) == generations


@pytest.mark.parametrize(
    ("family", "fault", "generations"),
    [
        ("suno", {"code": "430"}, 1),
        ("minimax", {"base_resp": 1002}, 1),
        ("suno", {"status": 503}, 1),
        ("minimax", {"status": 529}, 1),
        ("suno", {"code": "500"}, 1),
        ("minimax", {"garbage": "html"}, 1),
        ("suno", {"statuses": ["TEXT_SUCCESS", "GENERATE_AUDIO_FAILED"]}, 2),
        ("minimax", {"base_resp": 1033}, 1),
        ("minimax", {"cut": "reset", "cut_at": "answer"}, 2),
        ("minimax", {"audio": "no_hex"}, 2),
        ("suno", {"poll": [{"status": 503, "times": 2}, {"garbage": "html"}, {"code": "500"}]}, 1),
        ("suno", {"file": [{"status": 500}, {"cut": "reset", "cut_at": "role"}]}, 1),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else None,
)
def test_a_provider_that_is_unwell_and_then_well_is_asked_again(music, family: str, fault: dict[str, Any], generations: int):
    owner, word = music.customer(), new_id("word")
    task = music.ended(owner, created(owner, asked(family, music.script(word, fault) + word))["task_id"])
    assert (task["status"], task["error"], task["warnings"]) == ("succeeded", None, [])
    assert_paid(owner, task)
    assert made(music, word) == generations


@pytest.mark.parametrize("family", ["suno", "minimax"])
def test_music_that_takes_its_time_is_waited_for(music, family: str):
    owner, word = music.customer(), new_id("word")
    task = music.ended(owner, created(owner, asked(family, f"{word} [[generation_ms=4000]]"))["task_id"])
    assert task["status"] == "succeeded"
    assert_paid(owner, task)
    assert made(music, word) == 1


@pytest.mark.parametrize("family", ["suno", "minimax"])
def test_music_that_is_late_fails_and_is_not_delivered(music, gate: Gate, family: str):
    owner, word = music.customer(), new_id("word")
    task_id = created(owner, asked(family, f"{word} [[gate={gate.name} gate_at=generating]]"))["task_id"]
    gate.wait()
    # Its 15 minutes are over
    Task.objects.filter(pk=task_id).update(deadline_at=Now())
    task = music.ended(owner, task_id)
    gate.open()
    assert (task["status"], task["error"]["code"], task["error"]["retryable"]) == ("failed", "upstream_timeout", True)
    assert_refunded(owner, task)
    assert made(music, word) == 1


def test_one_clip_of_two_is_delivered_with_a_warning(music):
    owner, word = music.customer(), new_id("word")
    task = music.ended(owner, created(owner, asked("suno", f"{word} [[clips=1]]"))["task_id"])
    assert (task["status"], len(task["output"]["clips"])) == ("succeeded", 1)
    assert [warning["code"] for warning in task["warnings"]] == ["clip_missing"]
    assert_paid(owner, task)
