"""Bytes on a socket, for requests that no HTTP client would send."""

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

SECRET = "a-secret-of-the-caller"
"""In the texts of the exceptions that the test application raises."""

BIG = 16 * 1024 * 1024
"""The bytes of an answer of the test application that no buffer between two sockets holds."""


@dataclass(frozen=True)
class Answer:
    """`headers` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def head(method: str, path: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    """A request up to its body. Characters are sent as Latin-1."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")


def read_answer(connection: socket.socket) -> Answer:
    """One answer of a known length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    top, body = data.split(b"\r\n\r\n", 1)
    status, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += _more(connection)
    return Answer(int(status.split()[1]), headers, body)


def ask(port: int, request: bytes) -> Answer:
    """Send it all, then read."""
    with connect(port) as connection:
        connection.sendall(request)
        return read_answer(connection)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has ended the connection, waiting for it."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def error_of(answer: Answer | httpx.Response) -> dict[str, Any]:
    """What stands in the envelope, which it must be, with all that goes with one."""
    body = answer.body if isinstance(answer, Answer) else answer.content
    assert answer.headers["content-type"] == "application/json", body[:500]
    (name, error), *rest = json.loads(body).items()
    assert (name, rest) == ("error", [])
    assert (
        {"code", "message", "retryable", "request_id"} <= set(error) <= {"code", "message", "retryable", "request_id", "param", "details"}
    )
    assert error["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-should-retry"] == ("true" if error["retryable"] else "false")
    return error


def eventually(fact: Callable[[], bool], *, seconds: float = 10) -> bool:
    """Whether `fact` comes true, waiting for it."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    assert data, "the connection ended before the answer did"
    return data
