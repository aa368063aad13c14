"""The id under which one request is answered, logged and recorded.

It is the caller's `X-Request-Id` where that is 1-128 visible ASCII characters, else one of ours. It is the caller's and
not unique: never a key of anything.
"""

import re
from contextvars import ContextVar

from contract.ids import new_id

_VISIBLE = re.compile(rb"[\x21-\x7e]{1,128}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The id of the request at hand, "" outside of one. A task started in a request inherits it."""
    return _current.get()


def set_current(value: str) -> None:
    """From here on `current()` gives this value in this context."""
    _current.set(value)


def accept(value: bytes | str | None) -> str:
    """The caller's value if it is valid, else a new id. An invalid value is never echoed."""
    if value is not None:
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        if _VISIBLE.fullmatch(raw):
            return raw.decode("ascii")
    return new_id("req")
