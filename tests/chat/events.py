"""Streams as a caller reads them: the bytes of the answer, taken apart by the rules of server-sent events."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.customer import Customer


@dataclass
class Streamed:
    """A whole answer. `chunks` are the JSON events but an error, `comments` the keep-alives."""

    status: int
    headers: httpx.Headers
    text: str
    chunks: list[dict[str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    done: bool = False

    @property
    def content(self) -> str:
        return self.said()

    def said(self, index: int = 0, name: str = "content") -> str:
        """What a choice's deltas add up to."""
        deltas = [choice["delta"] for chunk in self.chunks for choice in chunk["choices"] if choice["index"] == index]
        return "".join(delta.get(name) or "" for delta in deltas)

    @property
    def reasons(self) -> list[str]:
        return [choice["finish_reason"] for chunk in self.chunks for choice in chunk["choices"] if choice["finish_reason"]]

    @property
    def usage(self) -> dict[str, Any]:
        (usage,) = [chunk["usage"] for chunk in self.chunks if chunk.get("usage")]
        return dict(usage)


@contextmanager
def opened(owner: Customer, text: str, *, model: str = "MiniMax-M2.7", **fields: Any) -> Iterator[httpx.Response]:
    """The answer to a streamed call, its head read."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True, **fields}
    with owner.http.stream("POST", "/chat/completions", json=body) as response:
        yield response


def streamed(owner: Customer, text: str = "Say hi in five words.", **fields: Any) -> Streamed:
    """The whole answer to a streamed call."""
    with opened(owner, text, **fields) as response:
        response.read()
    return parsed(response)


def ask_without_reading(caller: socket.socket, v1: str, token: str, *, body: dict[str, Any], key: str = "") -> None:
    """Send a call over a `caller` that takes next to nothing in."""
    url, content = httpx.URL(v1), json.dumps(body).encode()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    caller.connect((url.host, url.port))
    keyed = b"Idempotency-Key: %b\r\n" % key.encode() if key else b""
    caller.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"%bAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b" % (keyed, token.encode(), len(content), content)
    )


def parsed(response: httpx.Response) -> Streamed:
    """A whole answer taken apart."""
    answer = Streamed(response.status_code, response.headers, response.content.decode())
    if response.status_code != 200:
        answer.error = response.json()["error"]
        return answer
    assert answer.text.endswith("\n\n")
    for event in answer.text[:-2].split("\n\n"):
        assert not answer.done
        assert answer.error is None
        if event.startswith(":"):
            answer.comments.append(event[1:].strip())
            continue
        assert event.startswith("data: ")
        assert "\n" not in event
        data = event[6:]
        if data == "[DONE]":
            answer.done = True
        elif "error" in (chunk := json.loads(data)):
            answer.error = chunk["error"]
        else:
            answer.chunks.append(chunk)
    return answer
