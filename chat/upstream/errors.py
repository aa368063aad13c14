"""What can go wrong at a provider, as the caller may know it.

    UpstreamError               .code is the contract's; the provider's words stay here
     ├─ Rejected                400, 422: the provider says the request is wrong        invalid_request        final
     │   ├─ ContextTooLong                                                              context_length_exceeded
     │   ├─ Unsafe              the provider refused the content                        safety_rejected
     │   └─ TooLarge            413                                                     payload_too_large
     ├─ Overloaded              429, 503, 529                                           model_unavailable      counts
     ├─ TimedOut                408, 504, no answer within our limits                   upstream_timeout       counts
     │   └─ OutOfTime           our own limit; the provider was still at it
     │       └─ CutShort        that of the whole call, before this try had its own                            does not count
     └─ Failed                  other 5xx, unreachable, garbage                         upstream_error         counts
         ├─ Declined            another 4xx: 405, 410, 451                                                     does not count
         ├─ Misconfigured       401, 402, 403, no quota: our route, an alert                                   does not count
         └─ NotThere            404: our route's address or model, an alert                                    final

A final one would be met on another route, too: it is not tried there, and it says nothing against the route. The others are, and those
that count open the breaker of their route (catalog/breaker.py).
"""

from __future__ import annotations

import re
from typing import ClassVar


class UpstreamError(Exception):
    """A provider did not answer. `status` is its HTTP status, if there was one; `reason` is ours, safe to log and to store.

    `final`: no other route is tried. `counts`: towards the route's breaker. `alert`: staff have to do something.
    """

    code: ClassVar[str]
    final: ClassVar[bool] = False
    counts: ClassVar[bool] = True
    alert: ClassVar[bool] = False

    def __init__(self, reason: str, *, status: int | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class Rejected(UpstreamError):
    code = "invalid_request"
    final = True
    counts = False


class ContextTooLong(Rejected):
    code = "context_length_exceeded"


class Unsafe(Rejected):
    code = "safety_rejected"


class TooLarge(Rejected):
    code = "payload_too_large"


class Overloaded(UpstreamError):
    code = "model_unavailable"


class TimedOut(UpstreamError):
    code = "upstream_timeout"


class OutOfTime(TimedOut):
    """The provider may bill what it did until we left."""


class CutShort(OutOfTime):
    counts = False


class Failed(UpstreamError):
    code = "upstream_error"


class Declined(Failed):
    """Neither the request's fault for certain, nor a sign that the provider is ill."""

    counts = False


class Misconfigured(Failed):
    counts = False
    alert = True


class NotThere(Failed):
    final = True
    counts = False
    alert = True


# How providers word these inside a 400 or a 429; none of them has a status of its own for it.
_TOO_LONG = re.compile(
    r"context.{0,3}length|maximum context|context window|prompt is too long|input length|too many (input )?tokens", re.IGNORECASE
)
# Our own account with the provider is out of money or closed: not the caller's fault, and not a matter of waiting.
_OUR_ACCOUNT = re.compile(
    r"insufficient_quota|billing_hard_limit|arrearage|account_deactivated|account is not active|credit balance is too low", re.IGNORECASE
)
# A refused content ends a stream that has begun with a charge, so whole wordings only: "safety" and "sensitive" alone stand in
# complaints about a field, too.
_UNSAFE = re.compile(
    r"content.?filter|content.?policy|content management policy|responsible.?ai"  # OpenAI, Azure; Anthropic: "content filtering policy"
    r"|violating our usage policy|safety (system|check|filter|policy)|moderation"  # OpenAI's reasoning models; its image inputs
    r"|data_?inspection|inappropriate content"  # Qwen
    r"|new_sensitive|(input|output) sensitive"  # MiniMax
    r"|content exists risk|\bsensitive.?(content|word|information)|prohibited.?content",  # DeepSeek, Volcengine, Gemini
    re.IGNORECASE,
)
_FIELD = re.compile(r"(unsupported|unknown|unrecognized|invalid|missing)_(required_)?(parameter|argument|value|type)", re.IGNORECASE)


def of_status(status: int, *, message: str, words: str = "", retry_after: str | None = None) -> UpstreamError:
    """The error of an HTTP `status` of 400 or more.

    `message` and `words`, the code and the type of the error object, are the provider's and only read, never kept.
    """
    seconds = int(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 6 else None
    reason = f"the provider answered {status}"
    if status in (400, 429) and _OUR_ACCOUNT.search(f"{words} {message}"):
        return Misconfigured(reason, status=status)
    match status:
        case 413:
            return TooLarge(reason, status=status)
        case 400 | 409 | 422:
            return _rejected(message, words=words)(reason, status=status)
        case 401 | 402 | 403:
            return Misconfigured(reason, status=status)
        case 404:
            return NotThere(reason, status=status)
        case 408 | 504:
            return TimedOut(reason, status=status)
        case 429 | 503 | 529:
            return Overloaded(reason, status=status, retry_after_seconds=seconds)
    return (Declined if status < 500 else Failed)(reason, status=status)


def _rejected(message: str, *, words: str) -> type[Rejected]:
    """What a provider finds wrong with a request: by its code first, since a message may quote anything."""
    if _TOO_LONG.search(words):
        return ContextTooLong
    if _UNSAFE.search(words):
        return Unsafe
    # Qwen has the code of a wrong field for a prompt that is too long, too
    if _TOO_LONG.search(message):
        return ContextTooLong
    return Unsafe if _UNSAFE.search(message) and not _FIELD.search(words) else Rejected
