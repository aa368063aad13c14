"""The line to the payment provider, through which a test counts what is asked and loses answers on the way back."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Line:
    """An HTTP server before the one at `origin`. `url` is its own."""

    def __init__(self, origin: str) -> None:
        self.asked: list[tuple[str, str]] = []
        """Method and path of each request that arrived, the query left out."""
        self.lose_answers = False
        """The provider hears and does what it is asked, but its answers are lost."""
        self.unknown = "none"
        """What is asked at a path that ends so is unknown to the provider."""
        self.is_cut = False
        """Nothing arrives at all."""
        self.asked_and_held = threading.Event()
        """Something was asked while the line is held."""
        self._let_go = threading.Event()
        self._let_go.set()
        self._place = urlsplit(origin).netloc
        line = self

        class Handler(BaseHTTPRequestHandler):
            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if not line._let_go.is_set():
                    line.asked_and_held.set()
                    line._let_go.wait()
                    self.close_connection = True
                    return
                if line.is_cut:
                    self.close_connection = True
                    return
                if urlsplit(self.path).path.endswith(line.unknown):
                    self._answer(404, "application/json", b'{"error": {"type": "invalid_request_error", "code": "resource_missing"}}')
                    return
                line.asked.append((self.command, urlsplit(self.path).path))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
                there = http.client.HTTPConnection(line._place, timeout=60)
                there.request(self.command, self.path, body, headers)
                answer = there.getresponse()
                content = answer.read()
                there.close()
                if line.lose_answers:
                    self.close_connection = True
                    return
                self._answer(answer.status, answer.headers.get("Content-Type", ""), content)

            def _answer(self, status: int, content_type: str, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _pass_on

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def count(self, method: str, path_end: str) -> int:
        """How many requests of that method to a path that ends so have arrived."""
        return sum(1 for asked, path in self.asked if asked == method and path.endswith(path_end))

    def hold(self) -> None:
        """From now on what is asked waits here, and never arrives."""
        self._let_go.clear()

    def release(self) -> None:
        """What is asked from now on arrives again."""
        self._let_go.set()

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
