"""How much of a request is taken before it is refused, in bytes, and how long a caller is waited for, in seconds."""

MIB = 1024 * 1024

HEADERS = 32 * 1024
"""All names and values together, each pair with the four bytes around it."""

CHAT_BODY = 32 * MIB
UPLOAD = 100 * MIB
WEBHOOK_BODY = MIB
BODY = 10 * MIB

BODY_SILENCE_SECONDS = 30.0
"""How long no byte of a body may come. What came lies in memory until the rest is there, so it can't wait for ever."""

BODY_SECONDS = 300.0
"""How long a body may take in all, or one byte now and then would keep it. The largest chat body at 1 Mbit/s."""

ANSWER_PIECE = 64 * 1024
"""A longer answer is sent in pieces of this size: what is sent at once lies in the connection's buffer, whatever becomes of us."""

UNREAD_SECONDS = 60.0
"""How long a caller may take to read a piece of an answer before he is let go, and the memory with him: slower than 1 kB/s."""

_FORM_AROUND_AN_UPLOAD = MIB


def of_body(path: str) -> int:
    """The most a body sent to `path` may have. An upload's form may add 1 MiB to the file."""
    if path.startswith("/v1/chat/"):
        return CHAT_BODY
    if path == "/v1/uploads":
        return UPLOAD + _FORM_AROUND_AN_UPLOAD
    if path.startswith("/webhooks/"):
        return WEBHOOK_BODY
    return BODY
