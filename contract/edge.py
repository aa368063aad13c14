"""The outermost layer, pure ASGI: what holds for every request and answer, whatever happens in between.

- Every request has an id (`contract/request_id.py`): in the scope, in a context variable, on the answer, on log lines.
- Headers and bodies have limits (`contract/limits.py`); a body is counted while it is received.
- A bad Host, Content-Length, path or query is refused here, so that no layer below ever sees one.
- Under /v1 every answer is JSON: a crash, a redirect and any other answer >= 400 becomes the envelope. OPTIONS is answered
  here, every answer has the CORS headers, a trailing slash is the same path, and each request leaves one line in the log.
  The API document is treated alike.

A crash after the first byte of an answer can only be logged: the connection is cut then.
"""

import asyncio
import logging
import time
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import orjson
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.http.request import split_domain_port, validate_host
from django.template.loader import render_to_string

from contract import cors, limits, request_id
from contract.asgi import Application, Headers, Message, Receive, Scope, Send
from contract.errors import ERRORS, ApiError
from contract.exceptions import as_api_error, log
from contract.wrong_paths import right_path

logger = logging.getLogger("contract.edge")

# How long and how much of a refused body is read on, so that a caller who sends before he reads gets his answer
_LINGER_SECONDS = 15.0
_LINGER_IDLE_SECONDS = 2.0
_LINGER_BYTES = 128 * limits.MIB

# The document is read from any page too
_API_ALONE = ("/v1", "/openapi.json", "/openapi.yaml")

# Probes of an orchestrator come by address, and these two never use the host
_ANY_HOST = ("/livez", "/readyz")

_CODE_OF_STATUS = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    431: "headers_too_large",
    502: "upstream_error",
    503: "service_unavailable",
    504: "upstream_timeout",
}


# What a browser may meet here
_PAGES = (400, 413)


class Edge:
    """`Edge(application)`: an ASGI application around another. Lifespan passes through, WebSockets are refused."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] == "http":
            await _Exchange(scope, receive, send).run(self.app)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self.app(scope, receive, send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.server_receive = receive
        self.server_send = send
        path: str = scope["path"]
        self.is_api = path.startswith("/v1/") or path.removesuffix("/") in _API_ALONE
        if self.is_api and path.endswith("/"):
            path = scope["path"] = path[:-1]
            scope["raw_path"] = scope.get("raw_path", b"").removesuffix(b"/")
        self.path = path
        self.limit = limits.of_body(path)
        self.received = 0
        self.is_body_unread = False
        self.is_body_held_back = False
        self.status: int | None = None
        self.is_left = False
        self.is_replaced = False

    async def run(self, app: Application) -> None:
        started_at = time.perf_counter()
        refusal = self.examine()
        try:
            if refusal is not None:
                await self.refuse(refusal)
            elif self.is_api and self.scope["method"] == "OPTIONS":
                await self.send({"type": "http.response.start", "status": 204, "headers": cors.preflight(self.scope["headers"])})
                await self.send({"type": "http.response.body"})
            else:
                await app(self.scope, self.receive, self.send)
                if self.status is None and not self.is_left:
                    raise RuntimeError("the application ended without an answer")
        except asyncio.CancelledError:
            # The server shuts down and has waited long enough. It would answer in plain text.
            if self.status is None and not self.is_left:
                await self.refuse(ApiError("service_unavailable", "The server is shutting down."))
        except RequestAborted:
            self.is_left = True
        except Exception as exc:
            error = as_api_error(exc)
            log(exc, error)
            if self.status is None:
                await self.refuse(error)
            # else returning with the answer unfinished makes the server cut the connection
        finally:
            if self.is_api:
                self.log_line(time.perf_counter() - started_at)

    def examine(self) -> ApiError | None:
        """Read the headers once; give the request its id; say why it is refused, if it is."""
        size, length, asked_id = 0, b"", None
        hosts: list[bytes] = []
        for name, value in self.scope["headers"]:
            size += len(name) + len(value) + 4
            if name == b"host":
                hosts.append(value)
            elif name == b"content-length":
                length = value
            elif name == b"x-request-id" and asked_id is None:
                asked_id = value
            elif name == b"transfer-encoding":
                self.is_body_unread = True
            elif name == b"expect":
                self.is_body_held_back = True
        self.id = request_id.accept(asked_id)
        request_id.set_current(self.id)
        self.scope.setdefault("state", {})["request_id"] = self.id

        if size > limits.HEADERS:
            return ApiError("headers_too_large")
        if length and length != b"0":
            self.is_body_unread = True
            if not length.isdigit():
                return ApiError("invalid_request", "The Content-Length is not a number.")
            if len(length) > 15 or int(length) > self.limit:
                return self.too_large()
        if self.path not in _ANY_HOST and not (len(hosts) == 1 and _is_our_host(hosts[0])):
            return ApiError("invalid_request", "The Host header names no host of this service.")
        return self.examine_target()

    def examine_target(self) -> ApiError | None:
        raw: bytes = self.scope.get("raw_path", b"")
        if b"%" in raw:
            try:
                decoded = unquote_to_bytes(raw).decode()
            except UnicodeDecodeError:
                return ApiError("invalid_request", "The path is not valid UTF-8.")
            if "\0" in decoded:
                return ApiError("invalid_request", "The path contains a NUL character.")
        query: bytes = self.scope.get("query_string", b"")
        if b"%00" in query:
            return ApiError("invalid_request", "The query contains a NUL character.")
        if not query.isascii():
            return ApiError("invalid_request", "The query is not percent-encoded.")
        return None

    def too_large(self) -> ApiError:
        return ApiError("payload_too_large", f"The body is over the limit of {self.limit // limits.MIB} MiB.")

    async def receive(self) -> Message:
        """What the application receives; raises ApiError payload_too_large once the body is over its limit."""
        message = await self.server_receive()
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            if not message.get("more_body", False):
                self.is_body_unread = False
            if self.received > self.limit:
                raise self.too_large()
        else:
            self.is_left = True
        return message

    async def send(self, message: Message) -> None:
        """What the application sends goes out with the headers that every answer has, or the envelope in its place."""
        if message["type"] == "http.response.start":
            headers: Headers = list(message.get("headers", ()))
            if message["status"] >= 300 and (error := self.replacement(message["status"], headers)) is not None:
                self.is_replaced = True
                await self.refuse(error, [header for header in headers if header[0].lower() in (b"allow", b"retry-after")])
            else:
                await self.send_start(message["status"], headers)
        elif not self.is_replaced:
            await self.send_body(message)

    def replacement(self, status: int, headers: Headers) -> ApiError | None:
        """The envelope for an answer that must not leave as it is: what is not JSON under /v1, or a call that missed /v1."""
        if any(name.lower() == b"content-type" and value.startswith(b"application/json") for name, value in headers):
            return None
        if self.is_api:
            if status == 304:
                return None
            code = "not_found" if status < 400 else _CODE_OF_STATUS.get(status, "invalid_request" if status < 500 else "internal_error")
            if code == "method_not_allowed":
                allowed = next((value.decode("latin-1") for name, value in headers if name.lower() == b"allow"), "")
                return ApiError(code, allow=[method.strip() for method in allowed.split(",") if method.strip()])
            return ApiError(code, right_path(self.path) if code == "not_found" else None)
        # Some pages are called as paths of the API are: who brings a key means the API, and would be sent to sign in
        is_missed = status == 404 or self.brings_a_key()
        if is_missed and not self.wants_a_page() and (message := right_path(self.path)) is not None:
            return ApiError("not_found", message)
        return None

    def brings_a_key(self) -> bool:
        return any(name == b"authorization" and value[:7].lower() == b"bearer " for name, value in self.scope["headers"])

    def wants_a_page(self) -> bool:
        return any(name == b"accept" and b"text/html" in value for name, value in self.scope["headers"])

    async def refuse(self, error: ApiError, headers: Headers | None = None) -> None:
        """Answer an error: under /v1, and in place of an answer, as the envelope, else as a page or a line of text."""
        if self.is_api or self.is_replaced:
            body, content_type = orjson.dumps(error.envelope(self.id)), b"application/json"
        elif error.status in _PAGES and self.wants_a_page():
            body, content_type = render_to_string(f"{error.status}.html").encode(), b"text/html; charset=utf-8"
        else:
            body, content_type = error.message.encode(), b"text/plain; charset=utf-8"
        own = {name.lower().encode(): value.encode() for name, value in error.headers.items()}
        for name, value in headers or ():
            own[name.lower()] = value
        own |= {b"content-type": content_type, b"content-length": b"%d" % len(body)}
        await self.send_start(error.status, list(own.items()))
        await self.send_body({"type": "http.response.body", "body": body})

    async def send_start(self, status: int, headers: Headers) -> None:
        headers = [header for header in headers if header[0].lower() != b"x-request-id"]
        headers.append((b"x-request-id", self.id.encode()))
        if self.is_api:
            headers += cors.ANSWER
        if self.is_body_unread and self.scope.get("http_version") in ("1.0", "1.1"):
            headers.append((b"connection", b"close"))
        self.status = status
        await self.server_send({"type": "http.response.start", "status": status, "headers": headers})

    async def send_body(self, message: Message) -> None:
        if self.is_body_unread and not message.get("more_body", False):
            await self.server_send({**message, "more_body": True})
            await self.linger()
            message = {"type": "http.response.body", "body": b""}
        await self.server_send(message)

    async def linger(self) -> None:
        """Read on for a while after an answer that came before the end of the body.

        A connection closed with bytes unread is reset, and the reset can overtake the answer.
        """
        if self.is_body_held_back and not self.received:
            return
        left = _LINGER_BYTES
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while self.is_body_unread and left > 0:
                    async with asyncio.timeout(_LINGER_IDLE_SECONDS):
                        message = await self.server_receive()
                    left -= len(message.get("body", b""))
                    self.is_body_unread = message["type"] == "http.request" and message.get("more_body", False)
        except TimeoutError:
            pass

    def log_line(self, seconds: float) -> None:
        """One line per request of /v1. The query is left out: it may hold what is nobody's business. 499: the caller left."""
        status = self.status or 499
        extra = {"method": self.scope["method"], "path": self.path[:200], "status": status, "duration_ms": round(seconds * 1000, 1)}
        logger.info("request", extra=extra)


@lru_cache(maxsize=1024)
def _is_our_host(host: bytes) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


assert set(_CODE_OF_STATUS.values()) <= set(ERRORS)
assert all(ERRORS[code].status == status for status, code in _CODE_OF_STATUS.items())
