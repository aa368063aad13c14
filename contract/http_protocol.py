"""uvicorn's HTTP/1.1 with the envelope where it would answer by itself: `uvicorn --http contract.http_protocol:HttpProtocol`.

A request that is no HTTP never reaches an application, so no edge can answer it.
"""

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from contract import cors, limits, request_id
from contract.errors import ApiError

# Beyond the edge's own limit, which answers better: this one only bounds what a stranger makes us keep
_HEAD_BYTES = 2 * limits.HEADERS

ABORT = "beatra.abort"
"""A key of the scope's state: what ends the connection at once, with what the caller has not read. To the application he has left."""


class HttpProtocol(HttpToolsProtocol):
    """httptools without a word of plain text, with a bound on what precedes a body and a way to end a connection."""

    _head_bytes = 0
    _is_in_head = False

    def on_message_begin(self) -> None:
        """Called by the parser at the first byte of a request."""
        super().on_message_begin()
        self.scope["state"][ABORT] = self.transport.abort
        self._is_in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Called by the parser at the empty line."""
        self._is_in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._refuse(ApiError("headers_too_large"))

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn where the bytes are no HTTP."""
        self._refuse(ApiError("invalid_request", "The request is not valid HTTP."))

    def _refuse(self, error: ApiError) -> None:
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and (cycle.response_started or not cycle.more_body):
            # Nonsense behind a whole request: that one is still answered, and an answer in its midst would be part of it.
            cycle.keep_alive = False
            return
        own_id = request_id.accept(None)
        body = orjson.dumps(error.envelope(own_id))
        headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
        headers += [*self.server_state.default_headers, *cors.ANSWER, (b"x-request-id", own_id.encode())]
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        self.transport.write(b"".join([STATUS_LINE[error.status], *(b"%b: %b\r\n" % header for header in headers), b"\r\n", body]))
        self.transport.close()
