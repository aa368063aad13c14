"""The bytes of a clip: from where they are read, how many, and for how long."""

from __future__ import annotations

import pytest

from tasks_app.music.calls import Patience
from tests.chat.raw_provider import RawProvider, whole
from tests.tasks_app.asked_music import (
    KEY,
    KEY_VARIABLE,
    MP3,
    base,
    clip,
    cut,
    dripping,
    error_of,
    flooding,
    headers,
    summary,
    suno,
    text_answer,
)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def fetched(provider: RawProvider, *, sandbox: bool = True, **fields) -> bytes:
    return b"".join(suno(base(provider), sandbox=sandbox, **fields).fetch(clip(base(provider) + "/1.mp3")))


class TestFetching:
    def test_the_bytes_of_a_clip_come_as_they_are(self):
        with RawProvider(text_answer(b"<html>", kind="text/html")) as provider:
            assert fetched(provider) == b"<html>"
        (request,) = provider.requests
        assert request.head.startswith("GET /1.mp3 HTTP/1.1\r\n")
        assert "Authorization" not in headers(request)

    def test_a_body_without_a_length_is_read_to_its_end(self):
        with RawProvider(cut(b"HTTP/1.1 200 OK\r\n\r\n", MP3)) as provider:
            assert fetched(provider) == MP3

    def test_a_real_provider_may_not_send_us_to_http(self, caplog):
        with RawProvider(text_answer(MP3)) as provider:
            error = error_of(lambda: fetched(provider, sandbox=False), caplog)
        assert (summary(error), provider.requests) == (("Unavailable", "upstream_error", True, False), [])

    @pytest.mark.parametrize(
        "url",
        [
            "http://192.0.2.1/a.mp3",
            "http://localhost.example/a.mp3",
            "http://0.0.0.0/a.mp3",
            "http://2130706433/a.mp3",
            "http://127.0.0.1@192.0.2.1/a.mp3",
            "https://user:password@cdn.example/a.mp3",
            "https://",
            "https://[::1",
            "https://xn--/a.mp3",
            "https://xn--a/a.mp3",
            "https://\u00ad/a.mp3",
            "https://a..b/a.mp3",
            "https://.../a.mp3",
            f"https://{'a' * 64}.example/a.mp3",
            "https://cdn.example:99999/a.mp3",
            "https://cdn.example:-1/a.mp3",
            "https://cdn.example:x/a.mp3",
            "https://cdn.example/\ud800",
            "https://cdn.example/a\nb",
            "file:///etc/passwd",
            "",
        ],
    )
    def test_nor_the_sandbox_elsewhere_than_to_this_machine(self, caplog, url):
        error = error_of(lambda: list(suno("http://x", sandbox=True).fetch(clip(url))), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, False)

    @pytest.mark.parametrize(
        ("answer", "counts"),
        [
            (text_answer(MP3, status="404 Not Found"), False),
            (text_answer(MP3, status="403 Forbidden"), False),
            (text_answer(MP3, status="206 Partial"), False),
            (text_answer(MP3, status="500 Broken"), True),
            (whole(b"", status="302 Found", headers=["Location: http://127.0.0.1:1/"]), False),
            (b"", True),
            (cut(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", MP3), True),
        ],
        ids=["404", "403", "206", "500", "302", "closed", "truncated"],
    )
    def test_a_clip_that_does_not_come_is_a_failure(self, caplog, answer, counts):
        with RawProvider(answer) as provider:
            error = error_of(lambda: fetched(provider), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, counts)

    @pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"])
    def test_a_clip_without_an_end_is_left(self, caplog, head):
        with RawProvider(flooding(head)) as provider:
            error = error_of(lambda: sum(map(len, suno("http://x", sandbox=True).fetch(clip(base(provider) + "/a")))), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, True)

    def test_a_clip_that_drips_is_left(self, caplog):
        with RawProvider(dripping(b"HTTP/1.1 200 OK\r\n\r\n")) as provider:
            error = error_of(lambda: fetched(provider, moving=Patience(read_seconds=60, total_seconds=2)), caplog)
        assert summary(error) == ("Unavailable", "upstream_timeout", True, True)

    def test_whoever_has_read_enough_hangs_up(self):
        with RawProvider(flooding(b"HTTP/1.1 200 OK\r\n\r\n")) as provider:
            pieces = suno("http://x", sandbox=True).fetch(clip(base(provider) + "/a"))
            next(pieces)
            pieces.close()
            assert provider.left.wait(30)
