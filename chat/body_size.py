"""What is too much to look at one by one: a body of millions of small values must not cost seconds or gigabytes to refuse."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from contract import limits
from contract.errors import FieldError
from contract.invalid import MOST_ERRORS, invalid_fields

_MOST: Mapping[str, int] = MappingProxyType(
    {
        "tools": limits.TOOLS,
        "stop": limits.STOPS,
        "logit_bias": limits.INNER,
        "metadata": limits.METADATA,
        "modalities": limits.INNER,
        "model_options": limits.MODEL_OPTIONS,
    }
)


def check_size(body: Mapping[str, Any]) -> None:
    """Refuse a chat request, parsed JSON, with too many of anything. Raises `ApiError` invalid_request."""
    errors: list[FieldError] = []

    def check(param: str, value: Any, most: int) -> None:
        if isinstance(value, list | dict) and len(value) > most:
            errors.append({"param": param, "message": f"must have at most {most} items"})

    check("", body, limits.INNER)
    for name, most in _MOST.items():
        check(f"/{name}", body.get(name), most)
    messages = body.get("messages")
    check("/messages", messages, limits.MESSAGES)
    if isinstance(messages, list) and not errors:
        inner = 0
        for index, message in enumerate(messages):
            for name in ("content", "tool_calls"):
                value = message.get(name) if isinstance(message, dict) else None
                check(f"/messages/{index}/{name}", value, limits.INNER)
                inner += len(value) if isinstance(value, list) else 0
        if inner > limits.MESSAGES and not errors:
            errors.append({"param": "/messages", "message": f"must have at most {limits.MESSAGES} content parts and tool calls in all"})
    if errors:
        raise invalid_fields(errors[:MOST_ERRORS])
