"""What is too much to look at one by one: a body of millions of small values must not cost seconds or gigabytes to refuse."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from contract.errors import FieldError
from contract.invalid import MOST_ERRORS, invalid_fields

MAX_TOOLS: Final = 128
MAX_STOPS: Final = 4
MAX_METADATA: Final = 16
MAX_OPTIONS: Final = 32
# More of these no honest request has
MAX_MESSAGES: Final = 10_000
MAX_INNER: Final = 1_000

_MOST: Mapping[str, int] = MappingProxyType(
    {
        "tools": MAX_TOOLS,
        "stop": MAX_STOPS,
        "logit_bias": MAX_INNER,
        "metadata": MAX_METADATA,
        "modalities": MAX_INNER,
        "model_options": MAX_OPTIONS,
    }
)


def check_size(body: Mapping[str, Any]) -> None:
    """Refuse a chat request, parsed JSON, with too many of anything. Raises `ApiError` invalid_request."""
    errors: list[FieldError] = []

    def check(param: str, value: Any, most: int) -> None:
        if isinstance(value, list | dict) and len(value) > most:
            errors.append({"param": param, "message": f"must have at most {most} items"})

    check("", body, MAX_INNER)
    for name, most in _MOST.items():
        check(f"/{name}", body.get(name), most)
    messages = body.get("messages")
    check("/messages", messages, MAX_MESSAGES)
    if isinstance(messages, list) and not errors:
        inner = 0
        for index, message in enumerate(messages):
            for name in ("content", "tool_calls"):
                value = message.get(name) if isinstance(message, dict) else None
                check(f"/messages/{index}/{name}", value, MAX_INNER)
                inner += len(value) if isinstance(value, list) else 0
        if inner > MAX_MESSAGES and not errors:
            errors.append({"param": "/messages", "message": f"must have at most {MAX_MESSAGES} content parts and tool calls in all"})
    if errors:
        raise invalid_fields(errors[:MOST_ERRORS])
