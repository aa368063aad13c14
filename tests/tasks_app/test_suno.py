"""The dialect of sunoapi.org and kie.ai: what is sent, and what each answer means."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tasks_app.music.calls import Patience
from tasks_app.music.provider import Job, Submitted
from tasks_app.music.providers import provider_of
from tasks_app.music.suno import Suno
from tests.chat.raw_provider import RawProvider, whole
from tests.tasks_app.asked_music import (
    KEY,
    KEY_VARIABLE,
    MP3,
    SECRET_WORDS,
    base,
    compact,
    cut,
    envelope,
    error_of,
    headers,
    nobody,
    outcome,
    reference,
    route,
    silent,
    summary,
    suno,
    text_answer,
)

JOB = Job(prompt="A calm piano piece", instrumental=True, callback_url="https://beatra.example/webhooks/suno/token")
OF_JOB = {"customMode": False, "instrumental": True, "model": "V5_5", "callBackUrl": JOB.callback_url, "prompt": JOB.prompt}
TAKEN = {"code": 200, "msg": "success", "data": {"taskId": "5c79be8e"}}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, settings):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    settings.SITE_URL = "https://beatra.example"
    settings.SUNO_UPLOAD_BASE = ""


class TestAsking:
    def test_a_route_gives_its_adapter(self):
        provider = provider_of(route("http://x", transport="suno", model="V5_5"))
        assert isinstance(provider, Suno)
        assert not provider.blocking

    def test_a_work_is_asked_for_byte_for_byte(self):
        with RawProvider(whole(TAKEN)) as provider:
            assert suno(base(provider)).submit(JOB) == Submitted("5c79be8e")
        (request,) = provider.requests
        assert request.head.startswith("POST /api/v1/generate HTTP/1.1\r\n")
        assert request.data == compact(OF_JOB)
        assert headers(request) == {
            "Host": base(provider).removeprefix("http://"),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "keep-alive",
            "User-Agent": "beatra",
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            "Content-Length": str(len(request.data)),
        }

    @pytest.mark.parametrize(
        ("job", "asked"),
        [
            (
                Job(prompt="Pop, cheerful", lyrics="[Verse]\nLa", title="Dawn", options={"custom_mode": True}),
                {"customMode": True, "instrumental": False, "style": "Pop, cheerful", "title": "Dawn", "prompt": "[Verse]\nLa"},
            ),
            (
                Job(prompt="Pop", title="Dawn", instrumental=True, options={"custom_mode": True}),
                {"customMode": True, "instrumental": True, "style": "Pop", "title": "Dawn"},
            ),
            (Job(prompt="A song", options={"custom_mode": False}), {"customMode": False, "instrumental": False, "prompt": "A song"}),
            (
                Job(
                    prompt="Pop",
                    lyrics="La",
                    title="Dawn",
                    options={
                        "custom_mode": True,
                        "negative_tags": "metal",
                        "vocal_gender": "f",
                        "style_weight": 0.65,
                        "weirdness_constraint": 0,
                        "audio_weight": 1,
                    },
                ),
                {
                    "customMode": True,
                    "instrumental": False,
                    "style": "Pop",
                    "title": "Dawn",
                    "prompt": "La",
                    "negativeTags": "metal",
                    "vocalGender": "f",
                    "styleWeight": 0.65,
                    "weirdnessConstraint": 0,
                    "audioWeight": 1,
                },
            ),
            (
                Job(prompt="A song", title="Dawn", options={"negative_tags": "metal", "vocal_gender": "m", "style_weight": 0.5}),
                {"customMode": False, "instrumental": False, "prompt": "A song"},
            ),
        ],
        ids=["custom", "custom instrumental", "simple", "every option", "options without custom mode"],
    )
    def test_what_is_wanted_is_asked_for(self, job, asked):
        with RawProvider(whole(TAKEN)) as provider:
            suno(base(provider)).submit(replace(job, callback_url=JOB.callback_url))
        assert provider.requests[0].body == asked | {"model": "V5_5", "callBackUrl": JOB.callback_url}

    def test_a_reference_is_named_by_its_address(self):
        with RawProvider(whole(TAKEN)) as provider:
            assert suno(base(provider)).submit(Job(prompt="As a waltz", reference=reference())) == Submitted("5c79be8e")
        (request,) = provider.requests
        assert request.head.startswith("POST /api/v1/generate/upload-cover HTTP/1.1\r\n")
        assert request.body["uploadUrl"] == "https://beatra.example/files/abc"

    def test_how_a_work_stands_is_asked_by_its_name(self):
        with RawProvider(whole(envelope(200, {"status": "PENDING"}))) as provider:
            suno(base(provider)).poll("a/b&c=1")
        (request,) = provider.requests
        assert request.head.startswith("GET /api/v1/generate/record-info?taskId=a%2Fb%26c%3D1 HTTP/1.1\r\n")
        assert headers(request)["Authorization"] == f"Bearer {KEY}"


COVER = Job(prompt="As a waltz", reference=reference(mime_type="audio/flac"))


class TestUploads:
    @pytest.fixture
    def uploads(self, settings):
        with RawProvider() as provider:
            settings.SUNO_UPLOAD_BASE = base(provider) + "/"
            yield provider

    @pytest.mark.parametrize("field", ["downloadUrl", "fileUrl"])
    def test_a_reference_is_uploaded_first_where_that_is_set(self, uploads, field):
        uploads.then(whole({"success": True, "code": 200, "msg": "ok", "data": {field: "https://files.example/r.flac"}}))
        with RawProvider(whole(TAKEN)) as provider:
            assert suno(base(provider)).submit(COVER) == Submitted("5c79be8e")
        assert provider.requests[0].body["uploadUrl"] == "https://files.example/r.flac"
        (upload,) = uploads.requests
        assert upload.head.startswith("POST /api/file-stream-upload HTTP/1.1\r\n")
        assert headers(upload)["Authorization"] == f"Bearer {KEY}"
        boundary = headers(upload)["Content-Type"].removeprefix("multipart/form-data; boundary=").encode()
        parts = [part.strip(b"\r\n") for part in upload.data.split(b"--" + boundary)]
        name = re.search(rb'filename="([0-9a-f]{32}\.flac)"', upload.data)[1]
        assert parts == [
            b"",
            b'Content-Disposition: form-data; name="uploadPath"\r\n\r\nbeatra',
            b'Content-Disposition: form-data; name="fileName"\r\n\r\n' + name,
            b'Content-Disposition: form-data; name="file"; filename="' + name + b'"\r\nContent-Type: audio/flac\r\n\r\n' + MP3,
            b"--",
        ]

    def test_no_two_uploads_have_one_name(self, uploads):
        for _ in range(2):
            uploads.then(whole({"success": True, "code": 200, "data": {"fileUrl": "https://files.example/r.flac"}}))
            with RawProvider(whole(TAKEN)) as provider:
                suno(base(provider)).submit(COVER)
        first, second = (re.search(rb"[0-9a-f]{32}\.flac", upload.data)[0] for upload in uploads.requests)
        assert first != second

    def test_the_sandbox_finds_references_with_us(self, uploads):
        with RawProvider(whole(TAKEN)) as provider:
            suno(base(provider), sandbox=True).submit(COVER)
        assert (uploads.requests, provider.requests[0].body["uploadUrl"]) == ([], "https://beatra.example/files/abc")

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (whole({"success": False, "code": 200, "msg": SECRET_WORDS}), ("Unavailable", "upstream_error", False, True)),
            (whole({"success": False, "code": 500, "msg": SECRET_WORDS}), ("Unavailable", "upstream_error", False, True)),
            (whole({"success": False, "msg": SECRET_WORDS}), ("Unavailable", "upstream_error", False, True)),
            (whole({"success": True, "code": 200, "data": {}}), ("Unavailable", "upstream_error", False, True)),
            (whole({"success": True, "code": 200, "data": None}), ("Unavailable", "upstream_error", False, True)),
            (whole({"success": True, "code": 200, "data": {"fileUrl": ["x"]}}), ("Unavailable", "upstream_error", False, True)),
            (whole({"success": False, "code": 401, "msg": SECRET_WORDS}), ("Misconfigured", "upstream_error", False, "credentials")),
            (whole({"success": False, "code": 429, "msg": SECRET_WORDS}), ("Misconfigured", "upstream_error", False, "balance")),
            (whole({}, status="413 Too Large"), ("Refused", "payload_too_large", False, None)),
            (whole({}, status="504 Timeout"), ("Unavailable", "upstream_timeout", False, True)),
            (b"", ("Unavailable", "upstream_error", False, True)),
        ],
    )
    def test_an_upload_that_fails_has_begun_no_work(self, uploads, caplog, answer, expected):
        uploads.then(answer)
        with RawProvider(whole(TAKEN)) as provider:
            error = error_of(lambda: suno(base(provider)).submit(COVER), caplog)
        assert (outcome(error), provider.requests) == (expected, [])


SUBMIT_CODES = {
    400: ("Refused", "invalid_request", False, None),
    401: ("Misconfigured", "upstream_error", False, "credentials"),
    402: ("Misconfigured", "upstream_error", False, "balance"),
    403: ("Misconfigured", "upstream_error", False, "credentials"),
    404: ("Misconfigured", "upstream_error", False, "address"),
    405: ("Unavailable", "model_unavailable", False, True),
    408: ("Unavailable", "upstream_timeout", True, True),
    413: ("Refused", "payload_too_large", False, None),
    422: ("Refused", "invalid_request", False, None),
    429: ("Misconfigured", "upstream_error", False, "balance"),
    430: ("Unavailable", "model_unavailable", False, True),
    455: ("Unavailable", "model_unavailable", False, True),
    500: ("Unavailable", "upstream_error", True, True),
    501: ("Unavailable", "upstream_error", True, True),
    505: ("Misconfigured", "upstream_error", False, "plan"),
    531: ("Unavailable", "upstream_error", True, True),
    0: ("Unavailable", "upstream_error", True, True),
    4711: ("Unavailable", "upstream_error", True, True),
}
POLL_CODES = {
    **dict.fromkeys((401, 403), ("Misconfigured", "upstream_error", False, "credentials")),
    **dict.fromkeys((405, 429, 430, 455), ("Unavailable", "model_unavailable", True, True)),
    408: ("Unavailable", "upstream_timeout", True, True),
    **dict.fromkeys((400, 404, 422), ("Unavailable", "upstream_error", True, False)),
    **dict.fromkeys((402, 413, 500, 501, 505, 531, 0, 4711), ("Unavailable", "upstream_error", True, True)),
}
NO_TASK = [None, [], "5c79be8e", {}, {"taskId": None}, {"taskId": ""}, {"taskId": 5}, {"taskId": "x" * 201}, {"taskId": "a\0b"}]


class TestCodes:
    @pytest.mark.parametrize("status", ["200 OK", "503 Busy"])
    @pytest.mark.parametrize("code", SUBMIT_CODES)
    def test_of_a_submit_the_code_in_the_body_decides(self, caplog, code, status):
        with RawProvider(whole(envelope(code), status=f"{status} {SECRET_WORDS}")) as provider:
            error = error_of(lambda: suno(base(provider)).submit(JOB), caplog)
        assert outcome(error) == SUBMIT_CODES[code]
        assert [record.provider_code for record in caplog.records] == [code]

    @pytest.mark.parametrize("status", ["200 OK", "503 Busy"])
    @pytest.mark.parametrize("code", POLL_CODES)
    def test_of_a_poll_too_but_it_is_nobodys_fault(self, caplog, code, status):
        with RawProvider(whole(envelope(code), status=status)) as provider:
            error = error_of(lambda: suno(base(provider)).poll("t"), caplog)
        assert outcome(error) == POLL_CODES[code]

    def test_an_accepted_work_is_one_whatever_the_status(self):
        with RawProvider(whole(TAKEN, status="500 Broken")) as provider:
            assert suno(base(provider)).submit(JOB) == Submitted("5c79be8e")

    @pytest.mark.parametrize("answer", [{"code": "200", "data": {"taskId": "t"}}, {"code": 200, "data": {"task_id": "t"}}])
    def test_other_spellings_are_read(self, answer):
        with RawProvider(whole(answer)) as provider:
            assert suno(base(provider)).submit(JOB) == Submitted("t")

    @pytest.mark.parametrize("data", NO_TASK, ids=lambda data: str(data)[:30])
    def test_a_success_without_a_name_may_be_billed(self, caplog, data):
        with RawProvider(whole(envelope(200, data))) as provider:
            error = error_of(lambda: suno(base(provider)).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, True)

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            ("200 OK", ("Unavailable", "upstream_error", True, True)),
            ("401 Unauthorized", ("Misconfigured", "upstream_error", False, "credentials")),
            ("404 Not Found", ("Misconfigured", "upstream_error", False, "address")),
            ("429 Too Many", ("Unavailable", "model_unavailable", False, True)),
            ("502 Bad Gateway", ("Unavailable", "upstream_error", True, True)),
            ("504 Timeout", ("Unavailable", "upstream_timeout", True, True)),
        ],
    )
    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>" + SECRET_WORDS.encode(), b'{"code":true}', b'{"code":null}', b'{"code":"x"}', b"[200]", b'{"code":200'],
        ids=str,
    )
    def test_without_a_code_the_status_decides(self, caplog, status, expected, body):
        with RawProvider(text_answer(body, status=status)) as provider:
            error = error_of(lambda: suno(base(provider)).submit(JOB), caplog)
        assert outcome(error) == expected

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            ("200 OK", ("Unavailable", "upstream_error", True, True)),
            ("401 Unauthorized", ("Misconfigured", "upstream_error", False, "credentials")),
            ("404 Not Found", ("Unavailable", "upstream_error", True, False)),
            ("429 Too Many", ("Unavailable", "model_unavailable", True, True)),
            ("503 Busy", ("Unavailable", "model_unavailable", True, True)),
            ("504 Timeout", ("Unavailable", "upstream_timeout", True, True)),
        ],
    )
    def test_so_it_does_of_a_poll(self, caplog, status, expected):
        with RawProvider(text_answer(SECRET_WORDS.encode(), status=status)) as provider:
            error = error_of(lambda: suno(base(provider)).poll("t"), caplog)
        assert outcome(error) == expected


class TestTheLine:
    def test_where_nobody_listens_nothing_was_sent(self, caplog):
        for call in (lambda: suno(nobody()).submit(JOB), lambda: suno(nobody()).poll("t")):
            assert summary(error_of(call, caplog)) == ("Unavailable", "upstream_error", False, True)

    @pytest.mark.parametrize("call", [lambda provider: provider.submit(JOB), lambda provider: provider.poll("t")], ids=["submit", "poll"])
    def test_silence_is_a_time_out(self, caplog, call):
        with silent() as answer, RawProvider(answer) as provider:
            patient = Patience(read_seconds=0.3, total_seconds=60)
            error = error_of(lambda: call(suno(base(provider), asking=patient)), caplog)
        assert summary(error) == ("Unavailable", "upstream_timeout", True, True)

    @pytest.mark.parametrize("answer", [b"", cut(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")], ids=["closed", "half"])
    def test_a_connection_lost_may_have_begun_the_work(self, caplog, answer):
        with RawProvider(answer) as provider:
            error = error_of(lambda: suno(base(provider)).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, True)

    def test_an_answer_of_more_than_a_mebibyte_is_left(self, caplog):
        with RawProvider(whole(envelope(200, {"taskId": "t", "filler": "x" * 1024 * 1024}))) as provider:
            error = error_of(lambda: suno(base(provider)).submit(JOB), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, True)

    def test_an_answer_of_nearly_a_mebibyte_is_read(self):
        with RawProvider(whole(envelope(200, {"taskId": "t", "filler": "x" * 1024 * 1000}))) as provider:
            assert suno(base(provider)).submit(JOB) == Submitted("t")
