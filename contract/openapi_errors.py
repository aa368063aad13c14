"""The errors of the API document, made from `contract.errors.ERRORS`: the envelope, an example of each code, an answer per status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from contract import limits
from contract.errors import ERRORS, ApiError, ErrorCode

Json = dict[str, Any]

_TEXT = {"type": "string"}
_CREDITS = {"type": "string", "pattern": r"^-?\d+\.\d{4}$"}
_HEADERS_OF_STATUS = {401: ("WWW-Authenticate",), 409: ("Retry-After",), 429: ("Retry-After",), 503: ("Retry-After",)}

HEADERS: dict[str, Json] = {
    "X-Request-Id": {
        "description": "The id of this request: the caller's own `X-Request-Id`, or one of ours. Equals `error.request_id`.",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "example": "req_01JZ5Q3V8Y0000000000000000",
    },
    "x-should-retry": {
        "description": "Equal to `error.retryable`. The OpenAI SDKs obey it.",
        "required": True,
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    "Retry-After": {
        "description": (
            "Seconds to wait before the same request is sent again. On every 429 and 503, and on `idempotency_in_progress`: there it is "
            "how long the first request has run, at most 30."
        ),
        "schema": {"type": "integer", "minimum": 1},
        "example": 2,
    },
    "WWW-Authenticate": {"description": "Always `Bearer`.", "required": True, "schema": {"type": "string", "const": "Bearer"}},
}


def schemas() -> dict[str, Json]:
    """The envelope, and what it is made of."""
    return {
        "Error": {
            "type": "object",
            "description": "The answer of every request that fails.",
            "required": ["error"],
            "properties": {"error": {"$ref": "#/components/schemas/ErrorBody"}},
        },
        "ErrorBody": {
            "type": "object",
            "required": ["code", "message", "retryable", "request_id"],
            "properties": {
                "code": {"$ref": "#/components/schemas/ErrorCode"},
                "message": {"type": "string", "description": "For people; its wording may change."},
                "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
                "request_id": {"type": "string", "description": "Name it when you ask for help."},
                "param": {
                    "type": "string",
                    "description": "The first wrong field: an RFC 6901 JSON Pointer into the body, or the name of a query parameter.",
                    "examples": ["/messages/0/role"],
                },
                "details": {"$ref": "#/components/schemas/ErrorDetails"},
            },
        },
        "ErrorCode": {
            "type": "string",
            "description": _table(),
            "enum": list(ERRORS),
            "x-enumDescriptions": {code: row.when for code, row in ERRORS.items()},
        },
        "ErrorDetails": {
            "type": "object",
            "description": "Facts that go with some codes.",
            "properties": {
                "errors": {
                    "type": "array",
                    "description": "Every wrong field.",
                    "items": {"$ref": "#/components/schemas/FieldError"},
                },
                "unsupported_fields": {"type": "array", "description": "Of `unsupported_option`.", "items": _TEXT},
                "required_credits": {**_CREDITS, "description": "Of `insufficient_balance`: what the request may cost at most."},
                "available_credits": {**_CREDITS, "description": "Of `insufficient_balance`."},
                "affordable_output_tokens": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Of `insufficient_balance` of a chat: the highest output limit that the wallet carries now.",
                },
                "topup_url": {"type": "string", "format": "uri", "description": "Of `insufficient_balance`: where credits are bought."},
                "limit": {
                    "type": "string",
                    "description": "Of `forbidden` and `rate_limited`: which limit it is.",
                    "enum": [name.value for name in limits.Name],
                    "x-enumDescriptions": {name.value: name.says for name in limits.Name},
                },
                "limit_credits": {**_CREDITS, "description": "Of `spend_limit_reached`: what the key may spend in the window."},
                "window": {
                    "type": "string",
                    "description": "Of `spend_limit_reached`: a UTC day, a week from Monday, a month, or all time.",
                    "enum": list(limits.SPEND_WINDOWS),
                },
                "resets_at": {
                    "type": ["string", "null"],
                    "format": "date-time",
                    "description": "Of `spend_limit_reached`: when the window ends; null of `total`.",
                },
            },
            "additionalProperties": True,
        },
        "FieldError": {
            "type": "object",
            "required": ["param", "message"],
            "properties": {
                "param": {"type": "string", "description": 'A JSON Pointer into the body; "" is the body itself.'},
                "message": {"type": "string", "description": "The rest of a sentence about the field."},
            },
        },
    }


def examples() -> dict[str, Json]:
    """The answer to each code, as it is sent with the code's own message."""
    return {code: {"summary": row.when, "value": _envelope(code)} for code, row in ERRORS.items()}


def responses(codes: Iterable[str], *, shared: dict[str, Json]) -> dict[str, Json]:
    """By status, the answers of an operation that may answer `codes`. Those of one or two codes go to `shared`, by name."""
    by_status: dict[int, list[ErrorCode]] = {}
    for code in codes:
        by_status.setdefault(ERRORS[code].status, []).append(ERRORS[code])
    answers: dict[str, Json] = {}
    for status, rows in sorted(by_status.items()):
        answers[str(status)] = answer = _response(status, rows)
        if len(rows) <= 2:
            name = "Or".join(row.code.title().replace("_", "") for row in rows)
            shared[name] = answer
            answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return answers


def _response(status: int, rows: list[ErrorCode]) -> Json:
    words = [f"`{row.code}`: {row.when}" for row in rows]
    names = ["X-Request-Id", "x-should-retry", *_HEADERS_OF_STATUS.get(status, ())]
    return {
        "description": words[0] if len(words) == 1 else "\n".join(f"- {each}" for each in words),
        "x-error-codes": [row.code for row in rows],
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": {row.code: {"$ref": f"#/components/examples/{row.code}"} for row in rows},
            }
        },
    }


def _table() -> str:
    rows = [f"| `{row.code}` | {row.status} | {'yes' if row.retryable else 'no'} | {row.when} |" for row in ERRORS.values()]
    return "\n".join(["| code | HTTP | retryable | when |", "|---|---|---|---|", *rows])


def _envelope(code: str) -> Json:
    message, param, details = _EXAMPLES.get(code, (None, None, None))
    return dict(ApiError(code, message, param=param, details=details).envelope("req_01JZ5Q3V8Y0000000000000000"))


_EXAMPLES: dict[str, tuple[str | None, str | None, Json | None]] = {
    "invalid_request": (
        "/messages/0/role is required.",
        "/messages/0/role",
        {"errors": [{"param": "/messages/0/role", "message": "is required"}]},
    ),
    "context_length_exceeded": ("This model's maximum context length is 204800 tokens.", None, None),
    "unsupported_option": (
        "The model qwen-max does not take logit_bias.",
        "/logit_bias",
        {"errors": [{"param": "/logit_bias", "message": "is not taken by qwen-max"}], "unsupported_fields": ["logit_bias"]},
    ),
    "insufficient_balance": (
        "This call may cost 12.5000 credits; the wallet has 3.0000.",
        None,
        {
            "required_credits": "12.5000",
            "available_credits": "3.0000",
            "affordable_output_tokens": 480,
            "topup_url": "https://beatra.example/wallet/add/",
        },
    ),
    "spend_limit_reached": (
        (
            "This call may cost 12.5000 credits, more than the spend limit of this key leaves: 5000.0000 credits a month. "
            "Its owner can raise it at https://beatra.example/keys/7/."
        ),
        None,
        {"limit_credits": "5000.0000", "window": "month", "resets_at": "2026-08-01T00:00:00.000000Z"},
    ),
    "forbidden": (
        "This key may not be used for that. It lacks the scope 'chat'; it has 'read'.",
        None,
        {"limit": limits.Name.SCOPE.value},
    ),
    "rate_limited": (
        f"This account may send {limits.REQUESTS_PER_MINUTE} requests per minute.",
        None,
        {"limit": limits.Name.ACCOUNT_REQUESTS_PER_MINUTE.value},
    ),
}
