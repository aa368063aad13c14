"""A provider of music that does as it is told: MiniMax under /minimax, Suno under /suno, told apart by the prompt of each work.

    provider.script(prompt, "submit", overloaded, held)     what the next submits of this prompt meet; after that all goes well
    provider.count(prompt, "submit")                        how many there were

A step of a script is a function of the request's `Ask`, which answers. `Hold()` is one that waits.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.tasks_app.media_files import mp3

PATIENCE_SECONDS = 60
CLIP = mp3(1.0)


@dataclass
class Ask:
    """One request of our adapters. `kind` is submit, poll or fetch."""

    kind: str
    family: str
    prompt: str
    origin: str
    number: int
    body: dict[str, Any]


Answer = tuple[int, dict[str, Any] | bytes]
Step = Callable[[Ask], Answer]


def fine(ask: Ask) -> Answer:
    """What a provider answers that has no trouble."""
    name = f"{quote(ask.prompt, safe='')}.{ask.number}"
    if ask.kind == "fetch":
        return 200, CLIP
    if ask.family == "minimax":
        done = {"data": {"audio": CLIP.hex(), "status": 2}, "extra_info": {}}
        return 200, {**done, "base_resp": {"status_code": 0, "status_msg": "success"}}
    if ask.kind == "submit":
        return 200, {"code": 200, "msg": "success", "data": {"taskId": name}}
    clips = [
        {"id": f"clip-{n}", "audioUrl": f"{ask.origin}/clips/{quote(ask.prompt, safe='')}/{n}.mp3", "title": f"Take {n}", "tags": "piano"}
        for n in (1, 2)
    ]
    return 200, {"code": 200, "msg": "success", "data": {"taskId": name, "status": "SUCCESS", "response": {"sunoData": clips}}}


def says(status: int, body: dict[str, Any] | bytes) -> Step:
    return lambda ask: (status, body)


def working(status: str = "TEXT_SUCCESS") -> Step:
    return says(200, {"code": 200, "msg": "success", "data": {"status": status}})


def coded(minimax: int, suno: int) -> Step:
    """The family's code for it, in a body of HTTP 200."""

    def step(ask: Ask) -> Answer:
        if ask.family == "minimax":
            return 200, {"base_resp": {"status_code": minimax, "status_msg": "their words"}}
        return 200, {"code": suno, "msg": "their words", "data": None}

    return step


overloaded = coded(1002, 430)
broke = coded(1008, 429)
refused = coded(1026, 400)
unwell = coded(1033, 500)
generation_failed = says(200, {"code": 200, "msg": "success", "data": {"status": "GENERATE_AUDIO_FAILED"}})
gone = says(404, b"")


class Hold:
    """A step that answers as `then` does once `release` is set. `arrived` says that the request is here."""

    def __init__(self, then: Step = fine) -> None:
        self.arrived = threading.Event()
        self.release = threading.Event()
        self._then = then

    def __call__(self, ask: Ask) -> Answer:
        self.arrived.set()
        self.release.wait(PATIENCE_SECONDS)
        return self._then(ask)

    def wait(self) -> None:
        assert self.arrived.wait(PATIENCE_SECONDS), "nothing has come"


class StandIn:
    """What the tests say to it, and hear from it."""

    def __init__(self) -> None:
        self.url = ""
        self.asks: list[Ask] = []
        self._scripts: dict[tuple[str, str], deque[Step]] = defaultdict(deque)
        self._lock = threading.Lock()

    def script(self, prompt: str, kind: str, *steps: Step) -> None:
        self._scripts[prompt, kind].extend(steps)

    def count(self, prompt: str, kind: str) -> int:
        return sum((ask.prompt, ask.kind) == (prompt, kind) for ask in self.asks)

    def bodies(self, prompt: str) -> list[dict[str, Any]]:
        return [ask.body for ask in self.asks if (ask.prompt, ask.kind) == (prompt, "submit")]

    def answer(self, *, kind: str, family: str, prompt: str, origin: str, body: dict[str, Any]) -> Answer:
        with self._lock:
            ask = Ask(kind, family, prompt, origin, self.count(prompt, kind) + 1, body)
            self.asks.append(ask)
            steps = self._scripts[prompt, kind]
            step = steps.popleft() if steps else fine
        return step(ask)


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """One that listens on a port of its own."""
    provider = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            family = "minimax" if self.path.startswith("/minimax/") else "suno"
            self._answer(kind="submit", family=family, prompt=body.get("style") or body["prompt"], body=body)

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path.startswith("/clips/"):
                return self._answer(kind="fetch", family="suno", prompt=unquote(url.path.split("/")[2]), body={"path": url.path})
            name = parse_qs(url.query)["taskId"][0]
            return self._answer(kind="poll", family="suno", prompt=unquote(name.rpartition(".")[0]), body={"taskId": name})

        def _answer(self, **ask: Any) -> None:
            status, body = provider.answer(origin=provider.url, **ask)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # who asked is gone

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
