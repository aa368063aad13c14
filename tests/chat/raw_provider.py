"""A provider that sends exactly the bytes it is given, and remembers what it was sent: for what the sandbox is too well-behaved for."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Answer = bytes | Callable[[socket.socket], None]


@dataclass(frozen=True)
class Request:
    """One request as it came: on which connection (counted from 1), its head, its body, parsed where it is JSON, and its bytes."""

    connection: int
    head: str
    body: dict[str, Any]
    data: bytes = b""


class RawProvider:
    """`with RawProvider(first, second) as provider`: one answer a request, in turn; a connection is closed after an empty one."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[Request] = []
        self._answers = list(answers)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.base_url = f"http://127.0.0.1:{self._server.getsockname()[1]}/v1"
        self.left = threading.Event()
        """Set once a client has closed a connection."""

    def then(self, *answers: Answer) -> None:
        """The answers to the next requests."""
        self._answers += answers

    def __enter__(self) -> RawProvider:
        self._start(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        # `close` alone does not wake the thread that accepts
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            number += 1
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            while (request := _read(connection, number)) is not None:
                self.requests.append(request)
                answer = self._answers.pop(0) if self._answers else b""
                if not answer:
                    return
                if callable(answer):
                    answer(connection)
                else:
                    with suppress(ConnectionError):  # a client may leave as soon as it has read enough
                        connection.sendall(answer)
            self.left.set()


def _read(connection: socket.socket, number: int) -> Request | None:
    received = b""
    try:
        while b"\r\n\r\n" not in received:
            if not (more := connection.recv(65536)):
                return None
            received += more
        head, _, body = received.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        while len(body) < length:
            if not (more := connection.recv(65536)):
                return None
            body += more
    except OSError:
        return None
    return Request(number, head.decode(), json.loads(body) if body.startswith(b"{") else {}, body)


def whole(body: Any, *, status: str = "200 OK", headers: Iterable[str] = ()) -> bytes:
    """A response with a JSON body, or with the bytes given."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def chunked(*parts: bytes) -> bytes:
    """A streamed response, complete, in these parts."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def events(*contents: Any) -> bytes:
    """A streamed response of these events and `[DONE]`."""
    return chunked(*(b"data: " + json.dumps(content).encode() + b"\n\n" for content in contents), b"data: [DONE]\n\n")


def said(text: str, **message: Any) -> dict[str, Any]:
    """A whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}


def delta(index: int = 0, *, finish: str | None = None, **parts: Any) -> dict[str, Any]:
    """A chunk of one choice."""
    choice = {"index": index, "delta": parts, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
