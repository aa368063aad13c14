"""The one table of errors that the API may answer, and the exception that carries a row of it.

The exception handler, the edge, the OpenAPI document and the error-codes page are all made from `ERRORS`.

    Exception
    +-- ApiError            an expected refusal: carries its own status, headers and public message

A message, a detail or a parameter of an `ApiError` is read by the caller: never put a traceback, an upstream's text, a
key or an internal host name into one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NotRequired, TypedDict

from contract import limits


class FieldError(TypedDict):
    """One wrong field: `param` is an RFC 6901 JSON Pointer into the body or the name of a query parameter."""

    param: str
    message: str


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A row of the table.

    `message` is the public text where the raiser gives none. `when` is the sentence of the documentation.
    `retry_after_seconds` is the Retry-After of this code where the raiser knows no better; None sends no such header.
    """

    code: str
    status: int
    retryable: bool
    message: str
    when: str
    retry_after_seconds: int | None = None


_INVALID_KEY = "API key not found, signature mismatch, disabled, or revoked."

_HEADERS = f"{limits.HEADERS // 1024} KiB"

_ROWS = (
    ErrorCode(
        "unauthorized",
        401,
        False,
        "No API key was given. Send it as 'Authorization: Bearer <api key>'.",
        "No or malformed Authorization header.",
    ),
    ErrorCode("invalid_api_key", 401, False, _INVALID_KEY, f"{_INVALID_KEY} Expired keys too."),
    ErrorCode("tenant_disabled", 403, False, "This account is suspended or closed.", "The account is suspended or closed."),
    ErrorCode(
        "forbidden",
        403,
        False,
        "This key or account may not do this.",
        "This key or account may not do this (scope, model list, IP list, quota); `details.limit` names the limit.",
    ),
    ErrorCode(
        "insufficient_balance",
        402,
        False,
        "The wallet cannot pay for this request.",
        "The wallet cannot pay. `details`: required_credits, available_credits, affordable_output_tokens (chat), topup_url.",
    ),
    ErrorCode(
        "spend_limit_reached",
        402,
        False,
        "The spend limit of this key is used up.",
        "The key's cap is used up. `details`: limit_credits, window, resets_at.",
    ),
    ErrorCode(
        "billing_failed",
        500,
        True,
        "The charge could not be recorded. Nothing was charged.",
        "The charge could not be recorded; nothing is charged.",
    ),
    ErrorCode("invalid_request", 400, False, "The request is invalid.", "The body fails validation, or the provider says so."),
    ErrorCode(
        "context_length_exceeded",
        400,
        False,
        "The request is longer than the context window of the model.",
        'The prompt does not fit; the message contains "maximum context length is N tokens".',
    ),
    ErrorCode(
        "unsupported_model",
        400,
        False,
        "There is no such model for this request.",
        "No such model, or not for this capability, key or account.",
    ),
    ErrorCode(
        "unsupported_option",
        400,
        False,
        "The model does not take a field or a value of this request.",
        "The model does not take a given field or value; `details.unsupported_fields` names them.",
    ),
    ErrorCode("unsupported_capability", 400, False, "This capability is switched off.", "The capability is off."),
    ErrorCode(
        "safety_rejected",
        400,
        False,
        "The provider refused the content of this request.",
        "The provider refused the content (a task's error too).",
    ),
    ErrorCode(
        "not_found",
        404,
        False,
        "There is nothing at this address.",
        "No such path, task, artifact or record, or it belongs to another account.",
    ),
    ErrorCode("method_not_allowed", 405, False, "This path does not take this method.", "The Allow header lists what the path takes."),
    ErrorCode(
        "idempotency_conflict",
        409,
        False,
        "This Idempotency-Key was used with a different body.",
        "The same key came with a different body.",
    ),
    ErrorCode(
        "idempotency_in_progress",
        409,
        True,
        "The first request with this Idempotency-Key is still running.",
        "The same key and body, and the first call is still running.",
        retry_after_seconds=1,
    ),
    ErrorCode(
        "task_already_terminal",
        409,
        False,
        "The task has already ended.",
        "Cancel of a finished task; `details.status` is how it ended.",
    ),
    ErrorCode("payload_too_large", 413, False, "The body is too large.", "The body is over the limit of its path."),
    ErrorCode(
        "unsupported_media_type",
        415,
        False,
        "The body is of a type that is not taken.",
        "The body or upload is of a type that is not taken.",
    ),
    ErrorCode("headers_too_large", 431, False, f"The headers are over {_HEADERS}.", f"Over {_HEADERS} of headers."),
    ErrorCode(
        "rate_limited",
        429,
        True,
        "Too many requests.",
        "Requests per minute, calls in flight, or what calls in flight hold; `details.limit` says which.",
        retry_after_seconds=limits.BUSY_RETRY_SECONDS,
    ),
    ErrorCode(
        "model_unavailable",
        503,
        True,
        "The model is overloaded or unavailable at the moment.",
        "Every route of the model (or of `auto`) is overloaded or its breaker open; for a pinned model the message suggests `auto`.",
        retry_after_seconds=5,
    ),
    ErrorCode("upstream_error", 502, True, "The provider failed to answer.", "The provider failed on every route."),
    ErrorCode("upstream_timeout", 504, True, "The provider did not answer in time.", "No answer in time."),
    ErrorCode(
        "service_unavailable",
        503,
        True,
        "The service is unavailable at the moment.",
        "The database is away.",
        retry_after_seconds=2,
    ),
    ErrorCode("internal_error", 500, True, "Something went wrong on our side.", "Anything else."),
)

ERRORS: Mapping[str, ErrorCode] = MappingProxyType({row.code: row for row in _ROWS})


class ErrorBody(TypedDict):
    """What stands under `error` in the envelope."""

    code: str
    message: str
    retryable: bool
    request_id: str
    param: NotRequired[str]
    details: NotRequired[dict[str, Any]]


def _takes(methods: Iterable[str]) -> str | None:
    names = " and ".join(method for method in methods if method not in ("HEAD", "OPTIONS"))
    return f"This path takes {names}." if names else None


class ApiError(Exception):
    """An expected refusal, answered as the envelope.

    `errors` lists every wrong field and becomes `details.errors`; the first of them gives `param` and, where no message
    is given, the message. `retry_after_seconds` may be a fraction and is rounded up. `allow` lists methods for a 405, whose
    message names them.

    Raises KeyError for a code that is not in `ERRORS`.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        param: str | None = None,
        errors: Sequence[FieldError] | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after_seconds: float | None = None,
        allow: Iterable[str] | None = None,
    ) -> None:
        self.row = ERRORS[code]
        self.code = code
        self.details = dict(details or {})
        if errors:
            self.details["errors"] = list(errors)
            if param is None:
                param = errors[0]["param"]
            if message is None:
                message = errors[0]["message"]
        self.param = param
        self.allow = None if allow is None else tuple(allow)
        self.message = message or _takes(self.allow or ()) or self.row.message
        self.retry_after_seconds = self.row.retry_after_seconds if retry_after_seconds is None else retry_after_seconds
        super().__init__(code, self.message)

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.row.status

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.row.retryable

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with the answer, `x-should-retry` (the OpenAI SDKs obey it) on every one."""
        headers = {"x-should-retry": "true" if self.retryable else "false"}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after_seconds)))
        if self.allow is not None:
            headers["Allow"] = ", ".join(self.allow)
        return headers

    def envelope(self, request_id: str) -> dict[str, ErrorBody]:
        """The body of the answer: `{"error": {"code", "message", "retryable", "request_id", "param"?, "details"?}}`."""
        body: ErrorBody = {"code": self.code, "message": self.message, "retryable": self.retryable, "request_id": request_id}
        if self.param is not None:
            body["param"] = self.param
        if self.details:
            body["details"] = self.details
        return {"error": body}
