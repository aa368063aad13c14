"""Music from the first request to the last byte, over HTTP: upload, create, poll, download, list, receipt. Both models, both routes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from contract.ids import new_id
from tasks_app.answers import TaskEnvelope
from tests import mp3
from tests.answers import assert_shape
from tests.flows.music.music_site import REFERENCE, TEXT, assert_paid, created
from tests.tasks_app.asking import data_uri
from tests.tasks_app.media_files import wav

pytestmark = pytest.mark.slow

SUNO, MINIMAX = "suno-5.5", "minimax-music-2.6"
CLIPS = {SUNO: 2, MINIMAX: 1}
LYRICS = "[verse]\nRain on the window\nand nobody home"


def song_at(url: str) -> bytes:
    """A clip, whole and in two ranges, as a player gets it, without any key."""
    whole = httpx.get(url, timeout=60)
    assert (whole.status_code, whole.headers["content-type"], whole.headers["accept-ranges"]) == (200, "audio/mpeg", "bytes")
    size = len(whole.content)
    parts = [httpx.get(url, headers={"Range": asked}, timeout=60) for asked in ("bytes=0-999", "bytes=1000-")]
    assert [part.status_code for part in parts] == [206, 206]
    assert [part.headers["content-range"] for part in parts] == [f"bytes 0-999/{size}", f"bytes 1000-{size - 1}/{size}"]
    assert b"".join(part.content for part in parts) == whole.content
    return whole.content


def assert_playable(clip: dict[str, Any]) -> bytes:
    audio = clip["audio"]
    song = song_at(audio["url"])
    assert (audio["mime_type"], audio["size_bytes"]) == ("audio/mpeg", len(song))
    assert 20 <= mp3.seconds(song) <= 30
    assert mp3.seconds(song) == pytest.approx(audio["duration_seconds"], abs=0.1)
    assert mp3.sounding(song) > 0.9
    return song


@pytest.mark.parametrize(
    ("asked", "resolved", "fields"),
    [
        (SUNO, SUNO, {"instrumental": True}),
        (SUNO, SUNO, {"lyrics": LYRICS, "title": "Rain", "model_options": {"suno": {"custom_mode": True, "vocal_gender": "f"}}}),
        (MINIMAX, MINIMAX, {"lyrics": LYRICS, "title": "Rain"}),
        (None, SUNO, {"title": "Rain"}),
        ("auto", MINIMAX, {"lyrics": LYRICS}),
    ],
    ids=["suno", "suno-custom", "minimax", "auto-words-alone", "auto-lyrics"],
)
def test_words_become_music(music, asked: str | None, resolved: str, fields: dict[str, Any]):
    owner, word = music.customer(), new_id("word")
    body = {"prompt": f"A slow waltz for strings {word}", "metadata": {"order": "7"}, **fields} | ({"model": asked} if asked else {})
    first = created(owner, body)
    assert_shape(first, TaskEnvelope)
    assert (first["status"], first["model"], first["resolved_model"]) == ("queued", asked or "auto", resolved)
    assert first["progress"]["stage"] == "queued"

    task = music.ended(owner, first["task_id"])
    assert_shape(task, TaskEnvelope)
    assert (task["status"], task["error"], task["warnings"], task["metadata"]) == ("succeeded", None, [], {"order": "7"})
    assert (task["progress"]["stage"], task["progress"]["percent"]) == ("done", 100)
    assert task["created_at"] < task["started_at"] < task["completed_at"]
    clips = task["output"]["clips"]
    songs = [assert_playable(clip) for clip in clips]
    assert (len(songs), len(set(songs))) == (CLIPS[resolved], CLIPS[resolved])
    assert task["usage"]["audio_seconds"] == pytest.approx(sum(clip["audio"]["duration_seconds"] for clip in clips))
    if "title" in fields:
        assert {clip["title"] for clip in clips} == {"Rain"}
    if "lyrics" in fields or fields.get("instrumental"):
        assert {clip["lyrics"] for clip in clips} == {fields.get("lyrics", "")}

    listed = owner.http.get("/tasks", params={"status": "succeeded", "expand": "all"}).json()
    (line,) = listed["data"]
    assert (line["task_id"], line["billing"], listed["has_more"]) == (task["task_id"], task["billing"], False)
    assert owner.http.get("/tasks", params={"status": "failed"}).json()["data"] == []

    assert_paid(owner, task)
    (generation,) = music.generations(word)
    assert (generation["delivered"], generation["cover"]) == (CLIPS[resolved], False)
    assert word not in music.logs
    assert owner.token not in music.logs


@pytest.mark.parametrize(("asked", "resolved"), [(SUNO, SUNO), (MINIMAX, MINIMAX), ("auto", MINIMAX)])
def test_a_track_becomes_other_music(music, asked: str, resolved: str):
    owner, word = music.customer(), new_id("word")
    form = {"purpose": "reference_audio"}
    uploaded = owner.http.post("/uploads", files={"file": ("my secret tune.wav", wav(10), "audio/wav")}, data=form)
    assert uploaded.status_code == 200, uploaded.text
    reference = {"type": "artifact", "artifact_id": uploaded.json()["artifact_id"]}
    body = {"model": asked, "prompt": f"The same with trumpets {word}", "reference_audio": reference}
    task = music.ended(owner, created(owner, body, path=REFERENCE)["task_id"])
    assert (task["status"], task["capability"], task["resolved_model"]) == ("succeeded", "reference_audio_to_music", resolved), task
    assert task["input"]["reference_audio"] == reference
    for clip in task["output"]["clips"]:
        assert_playable(clip)
    assert_paid(owner, task)
    assert [generation["cover"] for generation in music.generations(word)] == [True]
    assert word not in music.logs


@pytest.mark.parametrize("model", [SUNO, MINIMAX])
def test_a_track_may_come_in_the_request(music, model: str):
    owner, word = music.customer(), new_id("word")
    body = {"model": model, "prompt": f"The same with trumpets {word}", "reference_audio": {"type": "data_uri", "data": data_uri()}}
    task = music.ended(owner, created(owner, body, path=REFERENCE)["task_id"])
    assert task["status"] == "succeeded", task
    assert task["input"]["reference_audio"] == {"type": "data_uri"}
    assert_paid(owner, task)
    assert [generation["cover"] for generation in music.generations(word)] == [True]


def test_music_made_from_music(music):
    """A clip is an artifact, and may be what the next task goes by."""
    owner = music.customer()
    first = music.ended(owner, created(owner, {"model": MINIMAX, "prompt": "A march", "instrumental": True})["task_id"])
    reference = {"type": "artifact", "artifact_id": first["output"]["clips"][0]["audio"]["artifact_id"]}
    second = music.ended(
        owner, created(owner, {"model": SUNO, "prompt": "As a waltz", "reference_audio": reference}, path=REFERENCE)["task_id"]
    )
    assert second["status"] == "succeeded", second
    assert owner.http.get("/wallet").json()["balance"] == "870.0000"


def test_a_retry_after_the_end_gets_the_first_answer_and_no_second_task(music):
    owner, word = music.customer(), new_id("word")
    body, key = {"model": SUNO, "prompt": f"A lullaby {word}", "instrumental": True}, {"Idempotency-Key": new_id("try")}
    first = owner.http.post(TEXT, json=body, headers=key)
    task = music.ended(owner, first.json()["task_id"])
    again = owner.http.post(TEXT, json=body, headers=key)
    assert (first.status_code, again.status_code, again.headers["idempotent-replayed"]) == (202, 202, "true")
    assert again.content == first.content
    other = owner.http.post(TEXT, json={**body, "prompt": "Another"}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert len(owner.http.get("/tasks").json()["data"]) == 1
    assert_paid(owner, task)
    assert len(music.generations(word)) == 1
