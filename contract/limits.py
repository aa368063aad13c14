"""How much of a request is taken before it is refused, in bytes."""

MIB = 1024 * 1024

HEADERS = 32 * 1024
"""All names and values together, each pair with the four bytes around it."""

CHAT_BODY = 32 * MIB
UPLOAD = 100 * MIB
BODY = 10 * MIB

_FORM_AROUND_AN_UPLOAD = MIB


def of_body(path: str) -> int:
    """The most a body sent to `path` may have. An upload's form may add 1 MiB to the file."""
    if path.startswith("/v1/chat/"):
        return CHAT_BODY
    if path == "/v1/uploads":
        return UPLOAD + _FORM_AROUND_AN_UPLOAD
    return BODY
