"""From a failed validation to the contract's invalid_request: every bad field named by its JSON Pointer, no value repeated."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contract.errors import ApiError, FieldError
from contract.json_pointer import pointer

MOST_ERRORS = 20
"""An answer lists no more: a body of a million wrong values is told about the first of them."""

MOST_TOLD = 3
"""So many of them stand in the message too."""

MOST_POINTER_CHARACTERS = 1000
"""A name in a body may be as long as the body."""

OWN_WORDS = "own_words"
"""The error type by which a schema brings words of its own; pydantic's others could repeat the value."""

NOT_OFFERED = "not_offered"
"""The error type of a value that OpenAI takes and beatra does not; its context has the value's `name`."""


def invalid_fields(errors: list[FieldError]) -> ApiError:
    """invalid_request for `errors`, each `{"param": JSON Pointer, "message": rest of a sentence about the field}`."""
    return ApiError("invalid_request", sentence(errors), param=errors[0]["param"] or None, errors=errors)


def sentence(errors: list[FieldError]) -> str:
    """What is wrong with the first few fields, and how many more there are: clients often show nothing but the message."""
    told = "; ".join(f"{error['param'] or 'The body'} {error['message']}" for error in errors[:MOST_TOLD])
    more = f" (and {len(errors) - MOST_TOLD} more)" if len(errors) > MOST_TOLD else ""
    return f"{told}{more}."


def of_pydantic(error: ValidationError, body: Any) -> list[FieldError]:
    """pydantic's findings about `body` in the contract's form, the first `MOST_ERRORS` of them."""
    findings = error.errors(include_url=False, include_input=False)[:MOST_ERRORS]
    return [{"param": _pointer(detail, body), "message": _words(detail)} for detail in findings]


def _pointer(detail: ErrorDetails, body: Any) -> str:
    """The RFC 6901 pointer of a pydantic error. Its location also names union members, which are no part of the body: they are
    told by walking the body itself."""
    parts: list[str | int] = []
    here: Any = body
    location = detail["loc"]
    for index, step in enumerate(location):
        if _holds(here, step):
            here = here[step]
        elif not (index == len(location) - 1 and detail["type"] == "missing"):
            continue
        parts.append(step)
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        parts.append(detail["ctx"]["discriminator"].strip("'"))
    return pointer(parts)[:MOST_POINTER_CHARACTERS]


def _holds(value: Any, step: str | int) -> bool:
    return step in value if isinstance(value, dict) else isinstance(value, list) and isinstance(step, int) and step < len(value)


def _words(detail: ErrorDetails) -> str:
    """pydantic's message as the rest of a sentence about the field, without the value."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing" | "union_tag_not_found":
            return "is required"
        case "extra_forbidden":
            return "is not a field of this endpoint"
        case "union_tag_invalid":
            return f"must be one of {context['expected_tags']}"
        case "literal_error":
            return f"must be {context['expected']}"
        case "int_type" | "int_from_float" | "int_parsing":
            return "must be an integer"
        case "float_type" | "float_parsing":
            return "must be a number"
        case "finite_number":
            return "must be a finite number"
        case "string_type":
            return "must be a string"
        case "bool_type":
            return "must be true or false"
        case "list_type":
            return "must be a list"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "must be an object"
        case "too_short" | "string_too_short":
            return "must not be empty"
        case "too_long":
            return f"must have at most {context['max_length']} items"
        case "string_too_long":
            return f"must have at most {context['max_length']} characters"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "less_than":
            return f"must be below {context['lt']}"
        case "string_pattern_mismatch":
            return f"must match {context['pattern']}"
    return detail["msg"] if detail["type"] in (OWN_WORDS, NOT_OFFERED) else "is not valid"
