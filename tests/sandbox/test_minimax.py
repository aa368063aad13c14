"""The stand-in for MiniMax's music: its wire format, its rules, and what goes wrong on demand."""

from __future__ import annotations

import base64
import io
import threading
import wave

import httpx
import pytest

from tests import mp3
from tests.sandbox.conftest import running_sandbox

PATH = "/minimax/v1/music_generation"
KEY = {"authorization": "Bearer sk-test"}


def ask(http, prompt="a calm song", *, headers=KEY, **fields):
    return http.post(PATH, json={"model": "music-2.6", "prompt": prompt, "lyrics": "la la la", **fields}, headers=headers)


def refusal(answer):
    """The code of a refusal, which is HTTP 200 all the same."""
    assert answer.status_code == 200
    assert "data" not in answer.json()
    return answer.json()["base_resp"]["status_code"]


def wav(seconds: float) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(1000)
        out.writeframes(b"\x80" * int(seconds * 1000))
    return base64.b64encode(file.getvalue()).decode()


def cover(**fields):
    return {"model": "music-cover", "lyrics": "", "audio_base64": wav(10), **fields}


def generations(http, **query):
    return http.get("/control/generations", params=query).json()["count"]


def test_a_song_comes_as_hex_with_its_figures(http):
    answer = ask(http, audio_setting={"sample_rate": 44100, "bitrate": 256000, "format": "mp3"})
    content = answer.json()
    assert answer.status_code == 200
    assert content.keys() == {"data", "trace_id", "analysis_info", "extra_info", "base_resp"}
    assert content["base_resp"] == {"status_code": 0, "status_msg": "success"}
    assert content["data"]["status"] == 2
    song, extra = bytes.fromhex(content["data"]["audio"]), content["extra_info"]
    assert {(frame.rate, frame.bitrate) for frame in mp3.frames(song)} == {(44_100, 256)}
    assert 20 < mp3.seconds(song) < 30
    assert mp3.sounding(song) > 0.9
    assert extra["music_duration"] == pytest.approx(mp3.seconds(song) * 1000, abs=300)
    assert (extra["music_size"], extra["bitrate"], extra["music_sample_rate"], extra["music_channel"]) == (len(song), 256000, 44100, 2)


def test_the_same_prompt_is_the_same_song_with_or_without_directives(http):
    first, second = (ask(http, prompt).json()["data"] for prompt in ("a calm song", "a calm song [[script:same]]"))
    assert first == second


@pytest.mark.parametrize(
    "fields",
    [
        {"colour": "red"},
        {"aigc_watermark": True},
        {"model": "music-9"},
        {"prompt": "x" * 2001},
        {"lyrics": ""},
        {"lyrics": "x" * 3501},
        {"lyrics": 5},
        {"is_instrumental": True, "prompt": ""},
        {"is_instrumental": "yes"},
        {"audio_base64": wav(10)},
        {"audio_setting": {"sample_rate": 48000}},
        {"audio_setting": {"bitrate": 1}},
        {"output_format": "flac"},
        {"seed": -1},
        cover(prompt="x" * 9),
        cover(prompt="x" * 301),
        cover(lyrics="too short"),
        cover(lyrics="x" * 1001),
        cover(audio_url="http://127.0.0.1:9/a.mp3"),
        cover(audio_base64=None),
        cover(audio_base64="not base64!"),
        cover(audio_base64=base64.b64encode(b"<html>no audio</html>").decode()),
        cover(audio_base64=wav(5)),
        cover(audio_base64=wav(361)),
        cover(audio_base64=None, audio_url="http://127.0.0.1:9/a.mp3"),
        cover(is_instrumental=True),
        cover(lyrics_optimizer=True),
    ],
)
def test_what_breaks_a_documented_rule_is_2013_and_generates_nothing(http, fields):
    assert refusal(ask(http, **fields)) == 2013
    assert generations(http) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "x" * 2000, "lyrics": "x" * 3500},
        {"lyrics": "", "lyrics_optimizer": True},
        {"lyrics": "", "is_instrumental": True},
        cover(prompt="x" * 10),
        cover(prompt="x" * 300, lyrics="x" * 10),
        cover(audio_base64=wav(6)),
        cover(audio_base64=wav(360)),
    ],
)
def test_what_is_just_within_the_rules_is_made(http, fields):
    assert ask(http, **fields).json()["base_resp"]["status_code"] == 0
    assert generations(http) == 1


def test_no_json_and_no_key_are_refused_with_200_too(http):
    assert refusal(http.post(PATH, content=b"{", headers=KEY)) == 2013
    assert refusal(ask(http, headers={})) == 1004
    with running_sandbox("--key", "sk-right") as origin, httpx.Client(base_url=origin) as other:
        assert refusal(ask(other, headers={"authorization": "Bearer sk-wrong"})) == 2049


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1004, 1008, 1024, 1026, 1033, 1039, 1041, 1042, 2013, 2045, 2049, 2056, 2061])
def test_every_code_on_demand_before_anything_is_made(http, code):
    answer = ask(http, f"a song [[base_resp={code}]]")
    assert refusal(answer) == code
    assert answer.json()["base_resp"]["status_msg"]
    assert generations(http) == 0


def test_output_that_is_moderated_was_made(http):
    assert refusal(ask(http, "a song [[base_resp=1027]]")) == 1027
    assert generations(http) == 1


@pytest.mark.parametrize("status", [400, 401, 429, 500, 502, 503, 504])
def test_every_status_on_demand(http, status):
    answer = ask(http, f"a song [[status={status} retry_after=3]]")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "3")
    assert generations(http) == 0


def test_a_script_fails_first_and_then_lets_succeed(http):
    http.post("/control/scripts", json={"marker": "flaky", "steps": [{"base_resp": 1002}, {"status": 503}]})
    answers = [ask(http, "a song [[script:flaky]]") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 503, 200]
    assert [answers[place].json()["base_resp"]["status_code"] for place in (0, 2)] == [1002, 0]
    assert http.get("/control/calls?marker=flaky&limit=0").json()["count"] == 3
    assert (generations(http, marker="flaky"), generations(http, provider="suno"), generations(http, prompt="a song")) == (1, 0, 1)


def test_garbage_and_odd_audio(http):
    assert ask(http, "x [[garbage=html]]").text.startswith("<!doctype")
    assert ask(http, "x [[garbage=empty]]").content == b""
    with pytest.raises(ValueError, match=r"\w"):
        ask(http, "x [[garbage=json]]").json()
    assert ask(http, "x [[garbage=no_data]]").json()["data"] is None
    assert ask(http, "x [[audio=missing]]").json()["data"] == {"status": 2}
    assert ask(http, "x [[audio=empty data_status=1]]").json()["data"] == {"audio": "", "status": 1}
    assert bytes.fromhex(ask(http, "x [[audio=html]]").json()["data"]["audio"]).startswith(b"<!doctype")
    half, whole = (len(ask(http, f"x {wish}").json()["data"]["audio"]) for wish in ("[[audio=half]]", ""))
    assert whole - 4 <= 2 * half <= whole
    with pytest.raises(ValueError, match="non-hexadecimal"):
        bytes.fromhex(ask(http, "x [[audio=no_hex]]").json()["data"]["audio"])


@pytest.mark.parametrize(("position", "made"), [("start", 0), ("generating", 1), ("answer", 1), ("headers", 1)])
@pytest.mark.parametrize("cut", ["abrupt", "reset"])
def test_a_connection_is_cut_before_or_after_the_song_was_made(http, position, made, cut):
    with pytest.raises(httpx.TransportError):
        ask(http, f"x [[cut={cut} cut_at={position}]]")
    assert generations(http) == made
    assert http.get("/control/calls").json()["calls"][0]["outcome"] == "cut"


def test_a_call_is_held_after_it_was_counted_until_it_is_released(http):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask(http, "x [[gate=studio gate_at=generating]]")))
    thread.start()
    assert http.get("/control/gates/studio?waiting=1&timeout=20").json()["waiting"] == 1
    assert generations(http) == 1
    assert not answers
    http.post("/control/gates/studio/release")
    thread.join(20)
    assert answers[0].json()["data"]["status"] == 2


def test_a_wrong_directive_never_passes_for_health(http):
    answer = ask(http, "x [[base_rep=1002]]")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "sandbox_directive")


def test_without_faults_a_directive_is_text_and_the_song_has_its_own_time():
    with running_sandbox("--song-ms", "1") as origin, httpx.Client(base_url=origin, timeout=60) as other:
        assert ask(other, "a song [[status=503]]").json()["base_resp"]["status_code"] == 0
        first, second = (ask(other, prompt).json()["data"]["audio"] for prompt in ("happy dance", "sad ballad"))
        assert first != second


def test_other_paths_are_not_found(http):
    assert http.post("/minimax/v1/lyrics_generation").status_code == 404
    assert http.get(PATH).status_code == 404
