"""Bytes on a socket, for requests that no HTTP client would send."""

import json
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The envelope's inside, once it is seen to be one with the request id of the header."""
        assert self.headers["content-type"] == "application/json", self
        error = self.json["error"]
        assert set(error) <= {"code", "message", "retryable", "request_id", "param", "details"}, error
        assert error["request_id"] == self.headers["x-request-id"], self
        assert self.headers["x-should-retry"] == ("true" if error["retryable"] else "false"), self
        return error


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def head(method: str, path: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")


def read_answer(connection: socket.socket) -> Answer:
    """One answer: as much as its Content-Length says, else to the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    top, body = data.split(b"\r\n\r\n", 1)
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) if line.lower().startswith("content-") else (line.split(": ", 1)[0].lower(), line.split(": ", 1)[1]) for line in lines)
    if "content-length" in headers:
        while len(body) < int(headers["content-length"]):
            body += _more(connection)
    return Answer(int(first.split()[1]), headers, body)


def ask(port: int, request: bytes) -> Answer:
    with connect(port) as connection:
        connection.sendall(request)
        return read_answer(connection)


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    assert data, "the connection ended before the answer did"
    return data
