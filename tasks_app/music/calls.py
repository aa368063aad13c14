"""One call to a provider over HTTP: on a connection of its own, bounded in time and in size, and every failure a ProviderError.

No redirects, no proxy and no certificates from the environment. Bodies are asked for, and read, uncompressed, so that their size is what
they take in memory. What a provider says is given to the adapter that asked; nothing of it gets into an error or a log.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from socket import SHUT_RDWR, socket
from threading import Timer
from typing import Any, BinaryIO, Self, TypeGuard

import httpx
import orjson

from contract.fetching import INTERNET, FetchError, Network, fetch_into
from tasks_app.music import verdicts
from tasks_app.music.provider import Misconfigured, ProviderError

AUDIO_BYTES = 64 * 1024 * 1024
"""The longest clip that is taken: at 256 kbit/s more than half an hour."""
JSON_BYTES = 1024 * 1024
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "beatra"}

_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")
_SENDING = "http11.send_request_body.started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call may take, in seconds: to connect, between two pieces that come or go, and in all."""

    connect_seconds: float = 5
    read_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back whole. `json` is the object in the body, None if there is none."""

    status: int
    json: dict[str, Any] | None = field(repr=False)


def ask(
    method: str,
    url: str,
    *,
    api_key: str,
    patience: Patience,
    most_bytes: int = JSON_BYTES,
    json: Mapping[str, Any] | None = None,
    **request: Any,
) -> Answer:
    """Ask and read the answer, of whatever status. `request` is httpx's: `params`, `data`, `files`.

    Raises Unavailable where there was no answer, or none of at most `most_bytes`, and Misconfigured where the address or the key is none.
    """
    if not (api_key and api_key.isascii() and api_key.isprintable() and api_key == api_key.strip()):
        raise Misconfigured("credentials")
    headers = {**HEADERS, "Authorization": f"Bearer {api_key}", "Accept": "application/json"}
    if json is not None:
        request["content"] = orjson.dumps(json)
        headers["Content-Type"] = "application/json"
    with _opened(method, url, patience=patience, headers=headers, **request) as (response, watch):
        body = b"".join(_pieces(response, watch, most_bytes=most_bytes))
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    return Answer(response.status_code, parsed if isinstance(parsed, dict) else None)


def number(value: Any) -> int | None:
    """A code in an answer, which some send as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_address(value: Any) -> TypeGuard[str]:
    """Whether something in an answer says where a file is. Whether it may be read there is another question."""
    return isinstance(value, str) and value.startswith(("https://", "http://")) and value.isprintable()


def fetch_audio(url: str, file: BinaryIO, *, sandbox: bool, patience: Patience, network: Network = INTERNET) -> None:
    """Writes the bytes at a clip's address to `file`. The address is the provider's word: it must be https, and lead to nothing but the
    public internet, by redirects too; in the sandbox it is http on this machine.

    Raises Unavailable: there is no such address, its bytes don't come, or are too many.
    """
    if sandbox:
        return _fetch_here(url, file, patience=patience)
    try:
        fetch_into(file, url, most_bytes=AUDIO_BYTES, seconds=patience.total_seconds, network=network)
    except FetchError:
        raise verdicts.failed(counts=False) from None


def _fetch_here(url: str, file: BinaryIO, *, patience: Patience) -> None:
    if not _is_here(url):
        raise verdicts.failed(counts=False)
    with _opened("GET", url, patience=patience, headers={**HEADERS, "Accept": "audio/*"}) as (response, watch):
        if response.status_code != httpx.codes.OK:
            raise verdicts.failed(counts=response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR)
        file.writelines(_pieces(response, watch, most_bytes=AUDIO_BYTES))


def _is_here(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
        host = parsed.host  # decoded only when it is asked for
        parsed.raw_host.decode("ascii").encode("idna")  # as a socket does, too late to be told from other failures
    except (httpx.InvalidURL, ValueError):
        return False
    if parsed.port is not None and not 0 < parsed.port < 65536:
        return False
    return parsed.scheme == "http" and not parsed.userinfo and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Watch:
    """Cuts a call's connection when its time is over, and knows whether the request has begun to go out."""

    def __init__(self, total_seconds: float) -> None:
        self.sent = False
        self.ends_at = time.monotonic() + total_seconds
        self._socket: socket | None = None
        self._timer = Timer(total_seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._timer.cancel()

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.ends_at

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpx's trace extension."""
        if event in _CONNECTED:
            self._socket = info["return_value"].get_extra_info("socket")
            if self.is_over:
                self._cut()
        elif event == _SENDING:
            self.sent = True

    def _cut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # Past ssl's own shutdown, which would take its state from under the thread that reads
                socket.shutdown(self._socket, SHUT_RDWR)


@contextmanager
def _opened(method: str, url: str, *, patience: Patience, **request: Any) -> Iterator[tuple[httpx.Response, _Watch]]:
    watch = _Watch(patience.total_seconds)
    timeout = httpx.Timeout(patience.read_seconds, connect=patience.connect_seconds)
    try:
        with (
            watch,
            httpx.Client(verify=_tls(), trust_env=False, follow_redirects=False, timeout=timeout) as client,
            client.stream(method, url, extensions={"trace": watch.trace}, **request) as response,
        ):
            yield response, watch
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError):
        raise Misconfigured("address") from None
    except httpx.TransportError as error:
        raise _failure(error, watch) from None


def _failure(error: httpx.TransportError, watch: _Watch) -> ProviderError:
    if isinstance(error, httpx.TimeoutException) or watch.is_over:
        return verdicts.timed_out(sent=watch.sent)
    return verdicts.failed(sent=watch.sent)


def _pieces(response: httpx.Response, watch: _Watch, *, most_bytes: int) -> Iterator[bytes]:
    received = 0
    for piece in response.iter_raw():
        received += len(piece)
        if received > most_bytes:
            raise verdicts.failed()
        yield piece
    # A body without a length ends with its connection, whoever has ended that
    if watch.is_over:
        raise verdicts.timed_out()


@cache
def _tls() -> ssl.SSLContext:
    """Read once: a hundred authorities take some 20 ms."""
    return httpx.create_ssl_context(trust_env=False)
