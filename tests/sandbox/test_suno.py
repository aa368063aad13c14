"""The stand-in for Suno's resellers: its wire format, its rules, and what goes wrong on demand."""

from __future__ import annotations

import http.server
import io
import json
import queue
import threading
import wave
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from tinytag import TinyTag

from beatra_site.sandbox.suno.callbacks import signature
from tests import mp3
from tests.sandbox.conftest import running_sandbox

API = "/suno/api/v1/generate"
KEY = {"authorization": "Bearer sk-test"}
NOBODY = "http://127.0.0.1:9/callback"


def body(prompt="a calm song", **fields):
    return {"customMode": False, "instrumental": True, "model": "V5_5", "callBackUrl": NOBODY, "prompt": prompt, **fields}


def custom(**fields):
    return body(prompt="la la la", **{"customMode": True, "instrumental": False, "style": "pop", "title": "One", **fields})


def submit(http, content=None, *, path=API, headers=KEY):
    return http.post(path, json=content or body(), headers=headers)


def begun(http, content=None, *, path=API) -> str:
    answer = submit(http, content, path=path).json()
    assert answer["code"] == 200, answer
    return answer["data"]["taskId"]


def poll(http, task_id):
    return http.get(f"{API}/record-info", params={"taskId": task_id}, headers=KEY)


def record(http, task_id):
    answer = poll(http, task_id)
    assert (answer.status_code, answer.json()["code"]) == (200, 200), answer.text
    return answer.json()["data"]


def refusal(answer):
    """The code of a refusal, which is HTTP 200 all the same."""
    assert (answer.status_code, answer.json()["data"]) == (200, None)
    return answer.json()["code"]


def read(http, url):
    return http.get(urlsplit(url).path)


def generations(http, **query):
    return http.get("/control/generations", params=query).json()["count"]


def wav(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(1000)
        out.writeframes(b"\x80" * int(seconds * 1000))
    return file.getvalue()


def uploaded(http, data, **fields):
    form = {"uploadPath": "references", "fileName": "a.wav", **fields}
    return http.post("/suno/api/file-stream-upload", files={"file": ("a b.wav", data)}, data=form, headers=KEY)


@pytest.fixture
def listener() -> Iterator[tuple[str, queue.Queue]]:
    """An address that takes callbacks, and what came."""
    came: queue.Queue = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            came.put((dict(self.headers), json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/callback", came
    server.shutdown()
    server.server_close()


def test_a_task_is_taken_on_and_ends_with_two_different_takes(http):
    found = record(http, begun(http, custom(title="Überfahrt")))
    assert (found["status"], found["type"], found["errorCode"], found["errorMessage"]) == ("SUCCESS", "GENERATE", None, None)
    assert json.loads(found["param"])["title"] == "Überfahrt"
    clips = found["response"]["sunoData"]
    assert found["response"]["taskId"] == found["taskId"]
    assert [clip["title"] for clip in clips] == ["Überfahrt"] * 2
    assert (clips[0]["prompt"], clips[0]["tags"]) == ("la la la", "pop")
    assert len({clip["id"] for clip in clips}) == 2
    songs = [read(http, clip["audioUrl"]) for clip in clips]
    assert [song.headers["content-type"] for song in songs] == ["audio/mpeg"] * 2
    assert songs[0].content != songs[1].content
    for song, clip in zip(songs, clips, strict=True):
        assert 20 < mp3.seconds(song.content) < 30
        assert mp3.seconds(song.content) == pytest.approx(clip["duration"], abs=0.3)
        assert mp3.sounding(song.content) > 0.9
        assert TinyTag.get(filename="a.mp3", file_obj=io.BytesIO(song.content)).title == "Überfahrt"
    assert http.get("/control/generations").json()["generations"][0]["delivered"] == 2


def test_without_custom_mode_a_title_and_lyrics_are_found(http):
    clip = record(http, begun(http, body("a calm song by the sea", instrumental=False)))["response"]["sunoData"][0]
    assert clip["title"] == "A Calm Song By"
    assert clip["prompt"].startswith("[Verse]")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"prompt": "x"}, 400),
        (body(customMode="yes"), 400),
        (body(model="V9"), 400),
        (body(callBackUrl=""), 400),
        (body(prompt=" "), 400),
        (body(prompt="x" * 501), 413),
        (body(title="One"), 400),
        (body(styleWeight=1.1), 400),
        (body(styleWeight=0.555), 400),
        (body(vocalGender="x"), 400),
        (custom(style=""), 400),
        (custom(title=""), 400),
        (custom() | {"prompt": ""}, 400),
        (custom() | {"prompt": "x" * 5001}, 413),
        (custom(style="x" * 1001), 413),
        (custom(title="x" * 101), 413),
        (custom(model="V4", title="x" * 81), 413),
    ],
)
def test_what_breaks_a_documented_rule_is_refused_in_the_body(http, content, code):
    assert refusal(submit(http, content)) == code
    assert generations(http) == 0


@pytest.mark.parametrize(
    "content",
    [
        body("x" * 500),
        body(colour="red"),
        custom(style="x" * 1000, title="x" * 100) | {"prompt": "x" * 5000},
        custom(instrumental=True) | {"prompt": ""},
        custom(styleWeight=0.55, weirdnessConstraint=1, audioWeight=0, negativeTags="drums", vocalGender="f"),
    ],
)
def test_what_is_just_within_the_rules_is_taken_on(http, content):
    begun(http, content)
    assert generations(http) == 1


def test_keys_are_looked_at_everywhere_but_at_files(http):
    assert refusal(submit(http, headers={})) == 401
    for path in (f"{API}/record-info?taskId=x", f"{API}/credit"):
        assert refusal(http.get(path)) == 401
    with running_sandbox("--key", "sk-right") as origin, httpx.Client(base_url=origin) as other:
        assert refusal(submit(other)) == 401


def test_credit_and_unknown_tasks(http):
    assert http.get(f"{API}/credit", headers=KEY).json() == {"code": 200, "msg": "success", "data": 1000}
    assert refusal(poll(http, "none")) == 400
    assert http.get("/suno/audio/none.mp3").status_code == 404
    assert http.get("/suno/api/v1/lyrics").status_code == 404


def test_an_upload_can_be_covered(http):
    answer = uploaded(http, wav(20))
    assert (answer.json()["success"], answer.json()["code"]) == (True, 200)
    link = answer.json()["data"]["downloadUrl"]
    assert read(http, link).content == wav(20)
    begun(http, body(uploadUrl=link), path=f"{API}/upload-cover")
    assert http.get("/control/generations").json()["generations"][0]["cover"] is True


def test_an_upload_keeps_every_byte_and_needs_its_fields(http):
    data = bytes(range(256)) * 100 + b"\r\n--\r\n"
    assert read(http, uploaded(http, data).json()["data"]["downloadUrl"]).content == data
    answer = uploaded(http, data, uploadPath="")
    assert (answer.json()["success"], refusal(answer)) == (False, 400)
    assert refusal(http.post("/suno/api/file-stream-upload", content=b"x", headers=KEY)) == 400


@pytest.mark.parametrize(("data", "code"), [(b"<html>no audio</html>", 400), (wav(481), 413), (wav(480), 200), (None, 400)])
def test_a_cover_is_of_audio_that_can_be_fetched_and_is_no_longer_than_eight_minutes(http, data, code):
    link = uploaded(http, data).json()["data"]["downloadUrl"] if data else "http://127.0.0.1:9/gone.mp3"
    answer = submit(http, body(uploadUrl=link), path=f"{API}/upload-cover")
    assert (answer.status_code, answer.json()["code"]) == (200, code)
    assert refusal(submit(http, body(), path=f"{API}/upload-cover")) == 400


@pytest.mark.parametrize("code", [400, 401, 405, 413, 429, 430, 455, 500])
def test_every_code_on_demand_when_submitting_and_polling(http, code):
    answer = submit(http, body(f"x [[code={code}]]"))
    assert refusal(answer) == code
    assert answer.json()["msg"]
    assert generations(http) == 0
    task_id = begun(http, body(f"x [[poll.code={code} poll.times=2]]"))
    assert [poll(http, task_id).json()["code"] for _ in range(3)] == [code, code, 200]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_every_status_on_demand_for_each_kind_of_call(http, status):
    assert submit(http, body(f"x [[status={status} retry_after=2]]")).headers["retry-after"] == "2"
    task_id = begun(http, body(f"x [[script:seen poll.status={status} file.status={status}]]"))
    assert [poll(http, task_id).status_code for _ in range(2)] == [status, 200]
    url = record(http, task_id)["response"]["sunoData"][0]["audioUrl"]
    assert [read(http, url).status_code for _ in range(2)] == [status, 200]
    counts = [http.get(f"/control/calls?marker=seen&model={model}&limit=0").json()["count"] for model in ("V5_5", "record-info", "file")]
    assert counts == [1, 3, 2]


def test_scripts_reach_the_calls_that_have_no_prompt(http):
    for model in ("record-info", "credit", "file-stream-upload", "file"):
        http.post("/control/scripts", json={"model": model, "steps": [{"status": 503}]})
    task_id = begun(http)
    assert [poll(http, task_id).status_code for _ in range(2)] == [503, 200]
    assert http.get(f"{API}/credit", headers=KEY).status_code == 503
    assert uploaded(http, b"x").status_code == 503
    assert read(http, record(http, task_id)["response"]["sunoData"][0]["audioUrl"]).status_code == 503


def test_a_script_gives_polls_steps_of_their_own(http):
    steps = [{"poll": [{"code": 500}, {"garbage": "html"}, {"garbage": "no_data"}]}]
    http.post("/control/scripts", json={"marker": "m", "steps": steps})
    task_id = begun(http, body("x [[script:m]]"))
    assert poll(http, task_id).json()["code"] == 500
    assert poll(http, task_id).text.startswith("<!doctype")
    assert poll(http, task_id).json() == {"code": 200, "msg": "success", "data": None}
    assert record(http, task_id)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("status", "code"),
    [("CREATE_TASK_FAILED", 500), ("GENERATE_AUDIO_FAILED", 501), ("SENSITIVE_WORD_ERROR", 400), ("CALLBACK_EXCEPTION", 500)],
)
def test_tasks_fail_on_demand(http, status, code):
    found = record(http, begun(http, body(f"x [[statuses={status}]]")))
    assert (found["status"], found["errorCode"]) == (status, code)
    assert found["errorMessage"]
    assert bool(found["response"]) is (status == "CALLBACK_EXCEPTION")
    assert record(http, begun(http, body(f"x [[statuses={status} error_code=531]]")))["errorCode"] == 531


def test_polls_read_any_statuses_one_after_the_other(http):
    task_id = begun(http, body("x [[statuses=PENDING,ODD,FIRST_SUCCESS,TEXT_SUCCESS,SUCCESS]]"))
    found = [record(http, task_id) for _ in range(6)]
    assert [one["status"] for one in found] == ["PENDING", "ODD", "FIRST_SUCCESS", "TEXT_SUCCESS", "SUCCESS", "SUCCESS"]
    assert [len((one["response"] or {"sunoData": []})["sunoData"]) for one in found] == [0, 0, 1, 0, 2, 2]


def test_clips_can_be_fewer_the_same_or_without_audio(http):
    def clips(wish):
        return record(http, begun(http, body(f"x [[{wish}]]")))["response"]["sunoData"]

    assert [len(clips(f"clips={count}")) for count in (0, 1, 3)] == [0, 1, 3]
    first, second = clips("same_clips=true")
    assert first == second
    assert [clip["audioUrl"] for clip in clips("audio=missing")] == ["", ""]
    assert read(http, clips("audio=empty")[0]["audioUrl"]).content == b""
    assert read(http, clips("audio=html")[0]["audioUrl"]).headers["content-type"].startswith("text/html")
    with pytest.raises(AssertionError, match="cut"):
        mp3.frames(read(http, clips("audio=half")[0]["audioUrl"]).content)


def test_a_task_goes_on_although_its_answer_was_lost(http):
    with pytest.raises(httpx.TransportError):
        submit(http, body("x [[script:lost cut=abrupt cut_at=answer]]"))
    found = http.get("/control/generations?marker=lost").json()
    assert found["count"] == 1
    assert record(http, found["generations"][0]["task_id"])["status"] == "SUCCESS"
    with pytest.raises(httpx.TransportError):
        submit(http, body("x [[script:early cut=abrupt]]"))
    assert generations(http, marker="early") == 0


def test_polls_and_files_are_cut(http):
    task_id = begun(http, body("x [[poll.cut=reset file.cut=abrupt file.cut_at=headers]]"))
    with pytest.raises(httpx.TransportError):
        poll(http, task_id)
    url = record(http, task_id)["response"]["sunoData"][0]["audioUrl"]
    with pytest.raises(httpx.RemoteProtocolError):
        read(http, url)
    assert mp3.seconds(read(http, url).content) > 20


def test_a_task_is_held_until_it_is_released(http):
    task_id = begun(http, body("x [[gate=hall gate_at=generating]]"))
    assert http.get("/control/gates/hall?waiting=1&timeout=20").json()["waiting"] == 1
    assert [record(http, task_id)["status"] for _ in range(3)] == ["TEXT_SUCCESS"] * 3
    http.post("/control/gates/hall/release")
    assert record(http, task_id)["status"] == "SUCCESS"


def test_a_poll_is_held_until_it_is_released(http):
    task_id = begun(http, body("x [[poll.gate=door]]"))
    found = []
    thread = threading.Thread(target=lambda: found.append(record(http, task_id)["status"]))
    thread.start()
    assert http.get("/control/gates/door?waiting=1&timeout=20").json()["waiting"] == 1
    http.post("/control/gates/door/release")
    thread.join(20)
    assert found == ["SUCCESS"]


def test_a_task_takes_its_time(http):
    assert record(http, begun(http, body("x [[generation_ms=600000]]")))["status"] == "PENDING"
    stages = ("PENDING", "TEXT_SUCCESS", "FIRST_SUCCESS", "SUCCESS")
    task_id = begun(http, body("x [[generation_ms=300]]"))
    seen = [record(http, task_id)["status"]]
    while seen[-1] != "SUCCESS":
        seen.append(record(http, task_id)["status"])
    assert seen == sorted(seen, key=stages.index)


def callbacks(http, listener, wish="", count=3):
    url, came = listener
    task_id = begun(http, body(f"x {wish}", callBackUrl=url))
    return task_id, [came.get(timeout=20) for _ in range(count)]


def test_callbacks_tell_text_first_and_complete_and_are_signed(http, listener, settings):
    task_id, came = callbacks(http, listener)
    assert [content["data"]["callbackType"] for _, content in came] == ["text", "first", "complete"]
    for headers, content in came:
        assert (content["code"], content["data"]["task_id"]) == (200, task_id)
        expected = signature(settings.SANDBOX_WEBHOOK_SECRET, task_id, headers["X-Webhook-Timestamp"])
        assert headers["X-Webhook-Signature"] == expected
    assert len(came[2][1]["data"]["data"]) == 2
    assert came[2][1]["data"]["data"][0]["audio_url"].endswith(".mp3")


def test_callbacks_come_twice_in_another_order_unsigned_forged_or_never(http, listener, settings):
    _, twice = callbacks(http, listener, "[[callbacks=twice]]", count=6)
    assert [content["data"]["callbackType"] for _, content in twice] == ["text"] * 2 + ["first"] * 2 + ["complete"] * 2
    _, back = callbacks(http, listener, "[[callbacks=reversed]]")
    assert [content["data"]["callbackType"] for _, content in back] == ["complete", "first", "text"]
    _, unsigned = callbacks(http, listener, "[[callbacks=unsigned]]")
    assert all("X-Webhook-Signature" not in headers for headers, _ in unsigned)
    task_id, forged = callbacks(http, listener, "[[callbacks=forged]]")
    headers = forged[0][0]
    assert headers["X-Webhook-Signature"] != signature(settings.SANDBOX_WEBHOOK_SECRET, task_id, headers["X-Webhook-Timestamp"])
    _, none = callbacks(http, listener, "[[callbacks=none]]", count=0)
    assert (none, callbacks(http, listener)[1][0][1]["data"]["callbackType"]) == ([], "text")


def test_a_wrong_directive_never_passes_for_health(http):
    answer = submit(http, body("x [[pol.status=500]]"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "sandbox_directive")


def test_without_faults_a_directive_is_text_and_the_clips_are_made_meanwhile():
    with running_sandbox("--song-ms", "20") as origin, httpx.Client(base_url=origin, timeout=60) as other:
        task_id = begun(other, body("a calm [[status=500]] song"))
        clips = (record(other, task_id)["response"] or {}).get("sunoData")
        while not clips or len(clips) < 2:
            clips = (record(other, task_id)["response"] or {}).get("sunoData")
        first, second = (read(other, clip["audioUrl"]).content for clip in clips)
        assert first != second
        assert mp3.seconds(first) > 20
        assert other.get("/control/generations").status_code == 404
