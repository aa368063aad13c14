"""Music providers, asked over real HTTP, and what their errors may not tell."""

from __future__ import annotations

import json
import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

import pytest

from catalog.music_models import MusicRoute
from tasks_app.music.minimax import MiniMax
from tasks_app.music.provider import MadeClip, Misconfigured, Provider, ProviderError, Reference, Refused, Unavailable, WorkFailed
from tasks_app.music.suno import Suno
from tests.chat.raw_provider import RawProvider, Request

SECRET_WORDS = "their-own-words"
KEY_VARIABLE = "TEST_MUSIC_API_KEY"
KEY = "key-of-ours-4711"
MP3 = b"\xff\xfb\x90\x64" + bytes(range(256)) * 4
KINDS = {kind.__name__: kind for kind in (Refused, Unavailable, WorkFailed, Misconfigured)}


def route(base_url: str, *, transport: str, model: str, sandbox: bool = False) -> MusicRoute:
    return MusicRoute(
        id=1, name="test", transport=transport, upstream_model=model, base_url=base_url, credential_env=KEY_VARIABLE, sandbox=sandbox
    )


def suno(base_url: str, *, sandbox: bool = False, **fields) -> Suno:
    return Suno(route(base_url, transport="suno", model="V5_5", sandbox=sandbox), **fields)


def minimax(base_url: str, *, sandbox: bool = False, **fields) -> MiniMax:
    return MiniMax(route(base_url, transport="minimax_music", model="music-2.6", sandbox=sandbox), **fields)


def envelope(code: object, data: object = None) -> dict:
    return {"code": code, "msg": SECRET_WORDS, "data": data}


def reference(audio: bytes = MP3, *, mime_type: str = "audio/mpeg") -> Reference:
    return Reference(
        url="https://beatra.example/files/abc",
        mime_type=mime_type,
        open=lambda: BytesIO(audio),
    )


def error_of(call: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> ProviderError:
    """What the call ends with; no word of the provider's, and no credential, is in it or in the log."""
    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderError) as caught:
        call()
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(error.__dict__) + "".join(str(record.__dict__) for record in caplog.records)
    assert SECRET_WORDS not in told
    assert KEY not in told
    return error


def summary(error: ProviderError) -> tuple[str, str, bool, bool | None]:
    """Its class, its code, `sent` and `counts`."""
    return type(error).__name__, error.code, error.sent, getattr(error, "counts", None)


def outcome(error: ProviderError) -> tuple[Any, ...]:
    """The same, with what staff have to look at in place of `counts`."""
    kind, code, sent, counts = summary(error)
    return kind, code, sent, getattr(error, "what", counts)


def headers(request: Request) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in request.head.split("\r\n")[1:])


def compact(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def text_answer(text: bytes, *, status: str = "200 OK", kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text


def nobody() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def full() -> Iterator[str]:
    """An address where connecting never ends, since its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for one in waiting:
            one.close()


@contextmanager
def silent(*before: bytes) -> Iterator[Callable[[socket.socket], None]]:
    """An answer that says `before` and then nothing, until the block ends."""
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        for piece in before:
            connection.sendall(piece)
        over.wait(60)

    yield answer
    over.set()


def dripping(head: bytes) -> Callable[[socket.socket], None]:
    """An answer that says `head` and then a byte every now and then, until it is hung up on."""
    gone = threading.Event()

    def answer(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(head)
            while True:
                connection.sendall(b"x")
                gone.wait(0.02)

    return answer


def flooding(head: bytes) -> Callable[[socket.socket], None]:
    """An answer without an end."""

    def answer(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(head)
            while True:
                connection.sendall(b"f" * 1024 * 1024)

    return answer


def cut(*pieces: bytes) -> Callable[[socket.socket], None]:
    """These bytes, and the connection is reset."""

    def answer(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_RDWR)

    return answer


def base(provider: RawProvider) -> str:
    return provider.base_url.removesuffix("/v1")


def fetched(provider: Provider, url: str) -> bytes:
    """The bytes of the clip at `url`."""
    file = BytesIO()
    provider.fetch(MadeClip(url=url), file)
    return file.getvalue()
