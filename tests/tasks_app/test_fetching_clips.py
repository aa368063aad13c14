"""The bytes of a clip: from where they are read, how many, and for how long."""

from __future__ import annotations

import os
import socket
from io import UnsupportedOperation
from pathlib import Path

import pytest
from aiohttp import web

from tasks_app.music.calls import Patience
from tasks_app.music.provider import MadeClip
from tests.chat.raw_provider import RawProvider, whole
from tests.contract.https_server import serving
from tests.tasks_app.asked_music import (
    KEY,
    KEY_VARIABLE,
    MP3,
    base,
    cut,
    dripping,
    error_of,
    fetched,
    flooding,
    headers,
    minimax,
    summary,
    suno,
    text_answer,
)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def read(provider: RawProvider, **fields) -> bytes:
    return fetched(suno(base(provider), sandbox=True, **fields), base(provider) + "/1.mp3")


class TestFetching:
    def test_the_bytes_of_a_clip_come_as_they_are(self):
        with RawProvider(text_answer(b"<html>", kind="text/html")) as provider:
            assert read(provider) == b"<html>"
        (request,) = provider.requests
        assert request.head.startswith("GET /1.mp3 HTTP/1.1\r\n")
        assert "Authorization" not in headers(request)

    def test_a_body_without_a_length_is_read_to_its_end(self):
        with RawProvider(cut(b"HTTP/1.1 200 OK\r\n\r\n", MP3)) as provider:
            assert read(provider) == MP3

    def test_a_real_provider_may_not_send_us_to_http(self, caplog):
        with RawProvider(text_answer(MP3)) as provider:
            error = error_of(lambda: fetched(suno(base(provider)), base(provider) + "/1.mp3"), caplog)
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
        error = error_of(lambda: fetched(suno("http://x", sandbox=True), url), caplog)
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
            error = error_of(lambda: read(provider), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, counts)

    @pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"])
    def test_a_clip_without_an_end_is_left(self, caplog, head):
        with RawProvider(flooding(head)) as provider:
            error = error_of(lambda: read(provider), caplog)
        assert summary(error) == ("Unavailable", "upstream_error", True, True)

    def test_a_clip_that_drips_is_left(self, caplog):
        with RawProvider(dripping(b"HTTP/1.1 200 OK\r\n\r\n")) as provider:
            error = error_of(lambda: read(provider, moving=Patience(read_seconds=60, total_seconds=2)), caplog)
        assert summary(error) == ("Unavailable", "upstream_timeout", True, True)

    def test_whoever_can_not_keep_it_hangs_up(self):
        with RawProvider(flooding(b"HTTP/1.1 200 OK\r\n\r\n")) as provider, Path(os.devnull).open("rb") as read_only:
            with pytest.raises(UnsupportedOperation):
                suno("http://x", sandbox=True).fetch(MadeClip(url=base(provider) + "/a"), read_only)
            assert provider.left.wait(30)


async def sends_audio(request: web.BaseRequest) -> web.Response:
    if request.path == "/moved.mp3":
        return web.Response(status=302, headers={"Location": "/1.mp3"})
    return web.Response(body=MP3)


class TestRealRoutes:
    """The address of a clip is the provider's word, which may not lead us into our own network."""

    @pytest.mark.parametrize("adapter", [suno, minimax])
    def test_a_clip_comes_by_https_and_by_redirects(self, adapter):
        with serving(sends_audio) as (origin, network):
            assert fetched(adapter("http://x", network=network), f"{origin}/moved.mp3") == MP3

    @pytest.mark.parametrize("adapter", [suno, minimax])
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
    def test_it_does_not_lead_to_us(self, caplog, adapter, host):
        with socket.create_server(("127.0.0.1", 0)) as inside:
            url = f"https://{host}:{inside.getsockname()[1]}/a.mp3"
            error = error_of(lambda: fetched(adapter("http://x"), url), caplog)
            inside.setblocking(False)
            with pytest.raises(BlockingIOError):
                inside.accept()
        assert summary(error) == ("Unavailable", "upstream_error", True, False)

    def test_nor_does_a_redirect(self, caplog):
        with socket.create_server(("127.0.0.1", 0)) as inside:

            async def leads_inside(request: web.BaseRequest) -> web.Response:
                return web.Response(status=302, headers={"Location": f"https://inside.example:{inside.getsockname()[1]}/"})

            with serving(leads_inside) as (origin, network):
                error_of(lambda: fetched(suno("http://x", network=network), f"{origin}/a.mp3"), caplog)
            inside.setblocking(False)
            with pytest.raises(BlockingIOError):
                inside.accept()
