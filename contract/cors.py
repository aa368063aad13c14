"""Cross-origin calls of /v1: open to every page, since keys are bearer tokens and cookies are never read."""

import re
from collections.abc import Iterable

from contract.asgi import Headers

ANSWER: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"X-Request-Id, Retry-After, Idempotent-Replayed, x-should-retry"),
]
"""On every answer under /v1."""

_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1024}")
_USUAL = b"Authorization, Content-Type, Idempotency-Key, X-Request-Id"


def preflight(request_headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of the answer to OPTIONS, but those of `ANSWER`: the headers asked for are granted."""
    asked = next((value for name, value in request_headers if name == b"access-control-request-headers"), _USUAL)
    return [
        (b"access-control-allow-methods", b"GET, POST, DELETE"),
        (b"access-control-allow-headers", asked if _NAMES.fullmatch(asked) else _USUAL),
        (b"access-control-max-age", b"86400"),
        (b"vary", b"Access-Control-Request-Headers"),
    ]
