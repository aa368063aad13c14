"""Refusals that a body tells: an `error` object, under any status or in an event, or MiniMax's `base_resp`."""

from __future__ import annotations

from typing import Any

import orjson

from chat.upstream.errors import (
    ContextTooLong,
    Failed,
    Misconfigured,
    Overloaded,
    Rejected,
    TimedOut,
    TooLarge,
    Unsafe,
    UpstreamError,
    of_status,
)

# MiniMax's status codes, platform.minimax.io/docs/api-reference/errorcode. One that is not here failed on their side.
BASE_RESP: dict[int, type[UpstreamError]] = {
    1001: TimedOut,
    1002: Overloaded,  # too many requests
    1041: Overloaded,  # too many connections
    2045: Overloaded,  # the rate grew too fast
    1039: Overloaded,  # too many tokens a minute
    1004: Misconfigured,  # not authorised
    2049: Misconfigured,  # invalid key
    1008: Misconfigured,  # no balance
    1028: Misconfigured,  # quota
    1030: Misconfigured,
    2056: Misconfigured,
    2061: Misconfigured,  # the plan lacks the model
    1026: Unsafe,  # what came in
    1027: Unsafe,  # what would have gone out
    1042: Rejected,  # invisible characters
    2013: Rejected,  # parameters
}

# The `code` or `type` of an error object, by how it begins; the statuses that mean the same.
_STATUS_OF_WORD = {
    "rate_limit": 429,
    "overloaded": 529,
    "server_overloaded": 529,
    "engine_overloaded": 529,
    "insufficient_quota": 402,
    "invalid_api_key": 401,
    "authentication": 401,
    "permission": 403,
    "timeout": 504,
    "invalid_request": 400,
    "context_length": 400,
    "content_filter": 400,
    "content_policy": 400,
    "data_inspection_failed": 400,
}


def raise_refusal(body: dict[str, Any]) -> None:
    """Raise what `body`, the parsed JSON of an answer or an event, refuses with; nothing if it doesn't."""
    try:
        refusal = _refusal(body)
    except RecursionError:  # a word of it that is no text, but a thousand levels of something
        raise Failed("the provider sent an error") from None
    if refusal is not None:
        raise refusal


def _refusal(body: dict[str, Any]) -> UpstreamError | None:
    if error := body.get("error"):
        return _of_error(error)
    base = body.get("base_resp")
    if isinstance(base, dict) and (code := base.get("status_code")):
        return _of_base_resp(code, str(base.get("status_msg")))
    return None


def of_answer(status: int, body: bytes, *, retry_after: str | None = None) -> UpstreamError:
    """The error of an answer with a `status` of 400 or more, by its error object where it has one."""
    text = body.decode("utf-8", "replace")
    try:
        sent = orjson.loads(body)
    except orjson.JSONDecodeError:
        return of_status(status, message=text, retry_after=retry_after)
    error = sent.get("error", sent) if isinstance(sent, dict) else None
    message, words = _wording(error) if isinstance(error, dict) and "message" in error else (text, "")
    return of_status(status, message=message, words=words, retry_after=retry_after)


def _of_base_resp(code: Any, text: str) -> UpstreamError:
    kind = BASE_RESP.get(code, Failed) if isinstance(code, int) else Failed
    reason = "the provider refused inside a 200" + (f", code {code}" if isinstance(code, int) else "")
    if kind is Rejected and isinstance(refined := of_status(400, message=text), ContextTooLong | Unsafe | TooLarge):
        kind = type(refined)
    return kind(reason)


def _of_error(error: Any) -> UpstreamError:
    """By the status it names, in digits or in words; without any it failed."""
    if not isinstance(error, dict):
        return Failed("the provider sent an error")
    message, words = _wording(error)
    for name in ("http_code", "status", "status_code", "code"):
        status = str(error.get(name))
        if len(status) == 3 and status.isascii() and status.isdigit() and 400 <= int(status) < 600:
            return of_status(int(status), message=message, words=words)
    for name in ("code", "type"):
        word = str(error.get(name)).lower()
        for begin, known in _STATUS_OF_WORD.items():
            if word.startswith(begin):
                return of_status(known, message=message, words=words)
    return Failed("the provider sent an error")


def _wording(error: dict[str, Any]) -> tuple[str, str]:
    """The message of an error object, and its code and type."""
    return str(error.get("message")), f"{error.get('code')} {error.get('type')}"
