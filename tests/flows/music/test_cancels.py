"""Music that nobody wants any more, or whose reference is gone, before a worker came to it and while it was made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from contract.ids import new_id
from tests.customer import Customer
from tests.flows.music.music_site import REFERENCE, MusicSite, assert_refunded, created
from tests.flows.music.test_failures import asked, made
from tests.gate import Gate
from tests.tasks_app.media_files import wav

pytestmark = pytest.mark.slow


@contextmanager
def nobody_at_work(music: MusicSite) -> Iterator[None]:
    for worker in (music.steps, music.calls):
        worker.stop()
    try:
        yield
    finally:
        for worker in (music.steps, music.calls):
            worker.start()


def canceled(owner: Customer, task_id: str) -> tuple[int, str]:
    answer = owner.http.post(f"/tasks/{task_id}/cancel", json={"reason": "changed my mind"})
    return answer.status_code, answer.json()["status"]


@pytest.mark.parametrize("family", ["suno", "minimax"])
def test_while_it_is_made_it_ends_canceled_and_refunded(music, gate: Gate, family: str):
    owner, word = music.customer(), new_id("word")
    task_id = created(owner, asked(family, f"{word} [[gate={gate.name} gate_at=generating]]"))["task_id"]
    gate.wait()
    assert canceled(owner, task_id) == (202, "running")
    task = music.ended(owner, task_id)
    assert (task["status"], task["error"]) == ("canceled", None)
    assert task["cancel_requested_at"] < task["completed_at"]
    gate.open()
    refused = owner.http.post(f"/tasks/{task_id}/cancel")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "task_already_terminal")
    assert_refunded(owner, task)
    assert owner.http.get(f"/tasks/{task_id}").json() == task
    assert made(music, word) == 1


def test_before_a_worker_has_come_to_it(music):
    owner, forgetful = music.customer(), music.customer()
    word = new_id("word")
    with nobody_at_work(music):
        task_id = created(owner, asked("suno", word))["task_id"]
        assert canceled(owner, task_id) == (200, "canceled")

        uploaded = forgetful.http.post("/uploads", files={"file": ("tune.wav", wav(10))}).json()
        reference = {"type": "artifact", "artifact_id": uploaded["artifact_id"]}
        body = {"prompt": f"As a waltz {word}", "reference_audio": reference}
        other_id = created(forgetful, body, path=REFERENCE)["task_id"]
        assert forgetful.http.delete(f"/uploads/{uploaded['artifact_id']}").status_code == 204
    # Whoever took this one on came past the other
    other = music.ended(forgetful, other_id)
    assert (other["status"], other["error"]["code"], other["error"]["param"]) == (
        "failed",
        "invalid_request",
        "/reference_audio/artifact_id",
    )
    assert_refunded(forgetful, other)
    task = music.ended(owner, task_id)
    assert (task["status"], task["started_at"]) == ("canceled", None)
    assert_refunded(owner, task)
    assert made(music, word) == 0
