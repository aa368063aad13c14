"""Scripts, gates and the record of calls, and that hundreds of calls can stand open at once."""

import asyncio
import threading

import aiohttp
import pytest

from tests.sandbox.conftest import question

PATH = "/chat/v1/chat/completions"


def statuses(http, text, times, **fields):
    return [http.post(PATH, json=question(text, **fields)).status_code for _ in range(times)]


def test_a_script_fails_and_then_lets_succeed(http):
    script = http.post("/control/scripts", json={"marker": "flaky", "steps": [{"status": 503, "times": 2}, {"status": 429}]}).json()
    assert script["text"] == "[[script:flaky]]"
    assert statuses(http, f"hi {script['text']}", 5) == [503, 503, 429, 200, 200]
    assert statuses(http, "hi", 1) == [200]
    found = http.get("/control/scripts/flaky").json()
    assert (found["matched"], found["steps_left"]) == (3, 0)


def test_a_script_can_last_forever_and_be_removed(http):
    http.post("/control/scripts", json={"marker": "down", "steps": [{"status": 500, "times": "forever"}]})
    assert statuses(http, "[[script:down]]", 3) == [500, 500, 500]
    http.delete("/control/scripts/down")
    assert statuses(http, "[[script:down]]", 1) == [200]


def test_scripts_match_by_model_and_key_and_the_narrower_goes_first(http):
    http.post("/control/scripts", json={"model": "sandbox-a", "steps": [{"status": 500, "times": "forever"}]})
    http.post("/control/scripts", json={"model": "sandbox-a", "marker": "m", "steps": [{"status": 429, "times": "forever"}]})
    http.post("/control/scripts", json={"key": "sk-bad", "steps": [{"status": 401, "times": "forever"}]})
    assert statuses(http, "hi", 1, model="sandbox-a") == [500]
    assert statuses(http, "hi [[script:m]]", 1, model="sandbox-a") == [429]
    assert statuses(http, "hi [[script:m]]", 1, model="sandbox-b") == [200]
    assert http.post(PATH, json=question("hi"), headers={"authorization": "Bearer sk-bad"}).status_code == 401


def test_a_script_without_conditions_matches_all_until_replaced(http):
    http.post("/control/scripts", json={"steps": [{"status": 500, "times": "forever"}]})
    assert statuses(http, "hi", 2) == [500, 500]
    http.post("/control/scripts", json={"steps": []})
    assert statuses(http, "hi", 1) == [200]


def test_inline_directives_lie_over_the_scripts_step(http):
    http.post("/control/scripts", json={"marker": "s", "steps": [{"status": 500, "retry_after": 1}]})
    answer = http.post(PATH, json=question("[[script:s status=503]]"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("body", [{"steps": [{"stauts": 500}]}, {"marker": "a b", "steps": []}, {"steps": [{"times": 0}]}, {}, []])
def test_bad_scripts_are_refused(http, body):
    assert http.post("/control/scripts", json=body).status_code == 400


def test_calls_are_recorded_as_received(http):
    body = question("hi [[script:seen]]", max_tokens=9, user="abc")
    http.post(PATH, json=body, headers={"authorization": "Bearer sk-ours"})
    http.post(PATH, json=question("hi", model="sandbox-b"))
    found = http.get("/control/calls?marker=seen").json()
    call = found["calls"][0]
    assert found["count"] == 1
    assert (call["body"], call["model"], call["key"], call["headers"]["authorization"]) == (
        body,
        "gpt-4o-mini",
        "sk-ours",
        "Bearer sk-ours",
    )
    assert (call["status"], call["outcome"], call["usage_sent"]) == (200, "complete", True)
    assert call["true_usage"] == call["reported_usage"]
    assert http.get("/control/calls").json()["count"] == 2
    assert http.get("/control/calls?model=sandbox-b&bodies=0").json()["calls"][0].get("body") is None
    assert http.get("/control/calls?limit=0").json() == {"count": 2, "calls": []}
    assert http.get("/control/calls?colour=red").status_code == 400
    http.delete("/control/calls")
    assert http.get("/control/calls").json()["count"] == 0


def test_a_call_that_is_no_json_is_recorded_too(http):
    http.post(PATH, content=b"{nonsense")
    call = http.get("/control/calls").json()["calls"][0]
    assert (call["body"], call["status"], call["outcome"]) == ("{nonsense", 400, "refused")


def test_a_gate_keeps_answers_until_released(http):
    answers = []

    def ask():
        answers.append(http.post(PATH, json=question("hi [[gate=north]]")).status_code)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert http.get("/control/gates/north?waiting=3&timeout=10").json() == {"name": "north", "waiting": 3, "passed": 0, "open": False}
    assert answers == []
    assert http.post("/control/gates/north/release", json={"count": 1}).json()["released"] == 1
    assert http.get("/control/gates/north").json()["waiting"] == 2
    http.post("/control/gates/north/release")
    for thread in threads:
        thread.join(10)
    assert answers == [200, 200, 200]
    assert statuses(http, "hi [[gate=north]]", 1) == [200]
    assert http.get("/control/gates/north").json() == {"name": "north", "waiting": 0, "passed": 4, "open": True}
    assert http.post("/control/gates/north").json()["open"] is False
    assert http.get("/control/gates/north?waiting=1&timeout=0.05").json()["waiting"] == 0


def test_a_stream_can_be_held_after_some_chunks(http):
    with http.stream("POST", PATH, json=question("[[gate=mid gate_at=2 chunks=4]]", stream=True)) as answer:
        lines = answer.iter_lines()
        seen = []
        while '"1,"' not in "".join(seen):
            seen.append(next(lines))
        assert http.get("/control/gates/mid?waiting=1&timeout=10").json()["waiting"] == 1
        http.post("/control/gates/mid/release")
        seen += lines
    assert '"3,"' in "".join(seen)
    assert "data: [DONE]" in seen


def test_hundreds_of_calls_stand_open_at_once(http, origin):
    async def scene():
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(origin, connector=connector) as session:

            async def held():
                async with session.post(PATH, json=question("hi [[gate=crowd usage=worst]]", max_tokens=50)) as answer:
                    return (await answer.json())["usage"]["completion_tokens"]

            async def stream():
                async with session.post(PATH, json=question("[[chunks=40]]", stream=True)) as answer:
                    return await answer.text()

            waiting = [asyncio.create_task(held()) for _ in range(500)]
            async with session.get("/control/gates/crowd?waiting=500&timeout=30") as answer:
                assert (await answer.json())["waiting"] == 500
            streams = await asyncio.gather(*(stream() for _ in range(300)))
            async with session.post("/control/gates/crowd/release"):
                pass
            return await asyncio.gather(*waiting), streams

    counts, streams = asyncio.run(scene())
    assert counts == [50] * 500
    assert all(body.endswith("data: [DONE]\n\n") and '"39,"' in body for body in streams)
    assert http.get("/control/calls?outcome=complete&limit=0").json()["count"] == 800
