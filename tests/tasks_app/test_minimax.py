"""MiniMax's wire format: what is sent, and what each of its answers means."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tasks_app.music.calls import Patience
from tasks_app.music.minimax import MiniMax
from tasks_app.music.provider import Job, Made, MadeClip
from tasks_app.music.providers import provider_of
from tests.chat.raw_provider import RawProvider, whole
from tests.tasks_app.asked_music import (
    KEY,
    KEY_VARIABLE,
    MP3,
    SECRET_WORDS,
    base,
    compact,
    cut,
    dripping,
    error_of,
    fetched,
    flooding,
    full,
    headers,
    minimax,
    nobody,
    outcome,
    reference,
    route,
    silent,
    summary,
    text_answer,
)

JOB = Job(prompt="A calm piano piece — für Elise", instrumental=True, title="Dawn")
AUDIO_SETTING = {"sample_rate": 44100, "bitrate": 256000, "format": "mp3"}
TAIL = {"output_format": "hex", "audio_setting": AUDIO_SETTING}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def song(audio: object = MP3.hex(), *, status: object = 2, **data) -> dict:
    return {
        "data": {"audio": audio, "status": status, **data},
        "trace_id": SECRET_WORDS,
        "extra_info": {"music_duration": 25364, "music_sample_rate": 44100, "music_channel": 2, "bitrate": 256000, "music_size": 813651},
        "analysis_info": None,
        "base_resp": {"status_code": 0, "status_msg": "success"},
    }


def refusal(code: object) -> dict:
    return {"base_resp": {"status_code": code, "status_msg": SECRET_WORDS}, "trace_id": SECRET_WORDS}


def submitted(job: Job, answer: bytes | None = None) -> tuple[Made, RawProvider]:
    with RawProvider(answer or whole(song())) as provider:
        made = minimax(base(provider)).submit(job)
    assert isinstance(made, Made)
    return made, provider


class TestAsking:
    def test_a_route_gives_its_adapter(self):
        provider = provider_of(route("http://x", transport="minimax_music", model="music-2.6"))
        assert isinstance(provider, MiniMax)
        assert provider.blocking

    def test_a_route_of_chat_gives_none(self):
        with pytest.raises(ValueError, match="no transport of music"):
            provider_of(route("http://x", transport="native", model="gpt-4o-mini"))

    def test_an_instrumental_is_asked_for_byte_for_byte(self):
        made, provider = submitted(JOB)
        (request,) = provider.requests
        assert request.head.startswith("POST /v1/music_generation HTTP/1.1\r\n")
        body = compact({"model": "music-2.6", "prompt": JOB.prompt, "is_instrumental": True, **TAIL})
        assert request.data == body
        assert headers(request) == {
            "Host": base(provider).removeprefix("http://"),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "keep-alive",
            "User-Agent": "beatra",
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }
        assert made.clips == (MadeClip(title="Dawn", audio=MP3),)

    @pytest.mark.parametrize(
        ("job", "asked"),
        [
            (Job(prompt="Pop", lyrics="[Verse]\nLa"), {"model": "music-2.6", "prompt": "Pop", "lyrics": "[Verse]\nLa"}),
            (
                Job(prompt="Pop", options={"lyrics_optimizer": True}),
                {"model": "music-2.6", "prompt": "Pop", "lyrics_optimizer": True},
            ),
            (Job(prompt="Pop", lyrics="La", options={"lyrics_optimizer": False}), {"model": "music-2.6", "prompt": "Pop", "lyrics": "La"}),
            (
                Job(prompt="Pop", lyrics="La", instrumental=True),
                {"model": "music-2.6", "prompt": "Pop", "is_instrumental": True},
            ),
            (
                Job(prompt="As a waltz, slowly", lyrics="La la la la la", reference=reference()),
                {
                    "model": "music-cover",
                    "prompt": "As a waltz, slowly",
                    "lyrics": "La la la la la",
                    "audio_base64": b64encode(MP3).decode(),
                },
            ),
        ],
        ids=["lyrics", "optimized lyrics", "not optimized", "instrumental with lyrics", "cover"],
    )
    def test_what_is_wanted_is_asked_for(self, job, asked):
        _, provider = submitted(job)
        assert provider.requests[0].data == compact(asked | TAIL)

    def test_an_address_that_ends_with_the_version_is_the_same(self):
        with RawProvider(whole(song())) as provider:
            minimax(provider.base_url).submit(JOB)
        assert provider.requests[0].head.startswith("POST /v1/music_generation ")

    def test_proxies_of_the_environment_are_not_used(self, monkeypatch):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, nobody())
        assert submitted(JOB)[0].clips

    @pytest.mark.parametrize("bad", ["", " ", "key\r\nX-Evil: 1", "schlüssel", "key "])
    def test_a_credential_that_can_not_be_sent_is_ours_to_mend(self, monkeypatch, caplog, bad):
        monkeypatch.setenv(KEY_VARIABLE, bad)
        with RawProvider(whole(song())) as provider:
            error = error_of(lambda: minimax(base(provider)).submit(JOB), caplog)
        assert (summary(error), error.what) == (("Misconfigured", "upstream_error", False, None), "credentials")
        assert provider.requests == []

    @pytest.mark.parametrize("bad", ["ftp://host", "no address", "http://", "http://[::1", "http://host:port"])
    def test_an_address_that_is_none_is_ours_to_mend(self, caplog, bad):
        error = error_of(lambda: minimax(bad).submit(JOB), caplog)
        assert (summary(error), error.what) == (("Misconfigured", "upstream_error", False, None), "address")


class TestSongs:
    @pytest.mark.parametrize(
        "audio", [MP3.hex(), MP3.hex().upper(), (b"ID3\x04" + MP3).hex(), b"\xff\xf3\x40\x00".hex(), b"\xff\xe2\x40\x00".hex()]
    )
    def test_hex_is_the_audio(self, audio):
        assert submitted(JOB, whole(song(audio)))[0].clips[0].audio == bytes.fromhex(audio)

    @pytest.mark.parametrize("answer", [song("https://cdn.example/a.mp3"), song("", audio_url="https://cdn.example/a.mp3")])
    def test_an_address_is_kept_as_one(self, answer):
        (made,) = submitted(JOB, whole(answer))[0].clips
        assert (made.url, made.audio) == ("https://cdn.example/a.mp3", b"")

    def test_a_clip_with_an_address_is_fetched_without_the_credential(self):
        with RawProvider(text_answer(MP3, kind="audio/mpeg")) as provider:
            assert fetched(minimax(base(provider), sandbox=True), base(provider) + "/a.mp3") == MP3
        assert "authorization" not in provider.requests[0].head.lower()

    @pytest.mark.parametrize(
        "answer",
        [
            song(status=1),
            song(status=None),
            song(status="2"),
            song(""),
            song(None),
            song([MP3.hex()]),
            song(MP3.hex()[:-1]),
            song("zz" + MP3.hex()),
            song("0x" + MP3.hex()),
            song(b"<html>".hex()),
            song(b"\xff".hex()),
            song(b"\xff\xf1\x50\x80".hex()),  # ADTS
            song(b"RIFF\0\0\0\0WAVE".hex()),
            song(f"file:///{SECRET_WORDS}"),
            {**song(), "data": None},
            {**song(), "data": [SECRET_WORDS]},
            {"base_resp": {"status_code": 0}},
        ],
        ids=lambda answer: str(answer.get("data"))[:60],
    )
    def test_a_success_without_a_song_is_a_failure_that_may_be_billed(self, caplog, answer):
        with RawProvider(whole(answer)) as provider:
            error = error_of(lambda: minimax(base(provider)).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, True)


CODES = {
    1000: ("Unavailable", "upstream_error", True, True),
    1001: ("Unavailable", "upstream_timeout", True, True),
    1002: ("Unavailable", "model_unavailable", False, True),
    1004: ("Misconfigured", "upstream_error", False, "credentials"),
    1008: ("Misconfigured", "upstream_error", False, "balance"),
    1024: ("Unavailable", "upstream_error", True, True),
    1026: ("Refused", "safety_rejected", False, None),
    1027: ("Refused", "safety_rejected", True, None),
    1028: ("Misconfigured", "upstream_error", False, "balance"),
    1030: ("Misconfigured", "upstream_error", False, "balance"),
    1033: ("Unavailable", "upstream_error", True, True),
    1039: ("Unavailable", "model_unavailable", False, True),
    1041: ("Unavailable", "model_unavailable", False, True),
    1042: ("Refused", "invalid_request", False, None),
    2013: ("Refused", "invalid_request", False, None),
    2045: ("Unavailable", "model_unavailable", False, True),
    2049: ("Misconfigured", "upstream_error", False, "credentials"),
    2056: ("Misconfigured", "upstream_error", False, "balance"),
    2061: ("Misconfigured", "upstream_error", False, "plan"),
    4711: ("Unavailable", "upstream_error", True, True),
    -1: ("Unavailable", "upstream_error", True, True),
}
STATUSES = {
    "302 Found": ("Unavailable", "upstream_error", True, True),
    "400 Bad": ("Refused", "invalid_request", False, None),
    "401 Unauthorized": ("Misconfigured", "upstream_error", False, "credentials"),
    "402 Payment": ("Misconfigured", "upstream_error", False, "balance"),
    "403 Forbidden": ("Misconfigured", "upstream_error", False, "credentials"),
    "404 Not Found": ("Misconfigured", "upstream_error", False, "address"),
    "405 Not Allowed": ("Unavailable", "upstream_error", True, False),
    "408 Timeout": ("Unavailable", "upstream_timeout", True, True),
    "409 Conflict": ("Refused", "invalid_request", False, None),
    "413 Too Large": ("Refused", "payload_too_large", False, None),
    "422 Unprocessable": ("Refused", "invalid_request", False, None),
    "429 Too Many": ("Unavailable", "model_unavailable", False, True),
    "500 Broken": ("Unavailable", "upstream_error", True, True),
    "502 Bad Gateway": ("Unavailable", "upstream_error", True, True),
    "503 Busy": ("Unavailable", "model_unavailable", True, True),
    "504 Timeout": ("Unavailable", "upstream_timeout", True, True),
    "529 Overloaded": ("Unavailable", "model_unavailable", True, True),
}


class TestRefusals:
    @pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "500 Broken"])
    @pytest.mark.parametrize("code", CODES)
    def test_a_code_in_the_body_decides_whatever_the_status(self, caplog, code, status):
        with RawProvider(whole(refusal(code), status=status)) as provider:
            error = error_of(lambda: minimax(base(provider)).submit(JOB), caplog)
        assert outcome(error) == CODES[code]
        assert [record.provider_code for record in caplog.records] == [code]

    @pytest.mark.parametrize("body", [b"", b"<html>" + SECRET_WORDS.encode(), b'{"base_resp":{"status_code":0}}', b"[1]"], ids=str)
    @pytest.mark.parametrize("status", STATUSES)
    def test_without_one_the_status_does(self, caplog, status, body):
        answer = text_answer(body, status=f"{status} {SECRET_WORDS}")
        with RawProvider(answer) as provider:
            error = error_of(lambda: minimax(base(provider)).submit(JOB), caplog)
        assert outcome(error) == STATUSES[status]
        assert len(provider.requests) == 1

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            SECRET_WORDS.encode(),
            b"<html></html>",
            b"null",
            b"[]",
            b'{"data":{"audio":"ff',
            b"\xff\xfe{}",
            b"[" * 100_000,
            b'{"base_resp":NaN}',
            b'{"base_resp":{"status_code":true}}',
            b'{"base_resp":{"status_code":"x"}}',
            b'{"base_resp":{}}',
            b'{"base_resp":[0]}',
            compact({**song(), "base_resp": None}),
            compact({"data": song()["data"]}),
        ],
        ids=lambda body: body[:40].decode("latin-1"),
    )
    def test_garbage_is_a_failure_that_may_be_billed(self, caplog, body):
        with RawProvider(text_answer(body)) as provider:
            error = error_of(lambda: minimax(base(provider)).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, True)

    def test_a_code_may_come_as_text(self, caplog):
        with RawProvider(whole(refusal("1026"))) as provider:
            assert error_of(lambda: minimax(base(provider)).submit(JOB), caplog).code == "safety_rejected"


class TestTheLine:
    def test_where_nobody_listens_nothing_was_sent(self, caplog):
        error = error_of(lambda: minimax(nobody()).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", False, True)

    def test_a_connection_that_takes_too_long_sent_nothing(self, caplog):
        with full() as address:
            patient = Patience(connect_seconds=0.2, read_seconds=20, total_seconds=20)
            error = error_of(lambda: minimax(address, patience=patient).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_timeout", False, True)

    @pytest.mark.parametrize("before", [(), (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b'{"data":')], ids=["nothing", "half"])
    def test_silence_after_the_request_may_be_billed(self, caplog, before):
        with silent(*before) as answer, RawProvider(answer) as provider:
            patient = Patience(read_seconds=0.3, total_seconds=60)
            error = error_of(lambda: minimax(base(provider), patience=patient).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_timeout", True, True)

    @pytest.mark.parametrize(
        "head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"], ids=str
    )
    def test_a_drip_ends_with_the_time_of_the_call(self, caplog, head):
        with RawProvider(dripping(head)) as provider:
            patient = Patience(read_seconds=60, total_seconds=2)
            error = error_of(lambda: minimax(base(provider), patience=patient).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_timeout", True, True)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            cut(SECRET_WORDS.encode() + b" is no HTTP\r\n\r\n"),
            cut(b"HTTP/1.1 200 OK\r\n"),
            cut(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + compact(song())[:400]),
            cut(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"dat'),
            cut(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000),
        ],
        ids=["closed", "no HTTP", "half a head", "half a body", "half a chunk", "endless head"],
    )
    def test_a_connection_lost_after_the_request_may_be_billed(self, caplog, answer):
        with RawProvider(answer) as provider:
            error = error_of(lambda: minimax(base(provider)).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, True)
        assert len(provider.requests) == 1

    def test_an_endless_answer_is_left(self, caplog):
        with RawProvider(flooding(b"HTTP/1.1 200 OK\r\n\r\n")) as provider:
            error = error_of(lambda: minimax(base(provider)).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, True)

    def test_a_redirect_is_not_followed(self, caplog):
        with RawProvider(whole(song())) as elsewhere:
            answer = whole(song(), status="307 Moved", headers=[f"Location: {elsewhere.base_url}/music_generation"])
            with RawProvider(answer) as provider:
                error = error_of(lambda: minimax(base(provider)).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, True)
        assert elsewhere.requests == []
