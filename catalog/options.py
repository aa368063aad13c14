"""The options that a model has of its own, called by `model_options`: what staff may list, and what a caller may give.

A model's entry maps an option's name to its shape:

    {"top_k": {"type": "integer", "minimum": 0, "maximum": 100, "description": "..."},
     "mode": {"type": "string", "choices": ["fast", "careful"]}, "enable_thinking": {"type": "boolean"}}

Numbers have a range and strings their choices, so that a caller can write nothing into a provider's body that staff have not seen.
None may change the price, the output limit or the destination of a call, nor stand in for a field of the request.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from catalog.fields import FIELDS, OPTION_PREFIX, pointer
from contract.errors import FieldError

TYPES = ("string", "boolean", "integer", "number")
_KEYS = frozenset({"type", "minimum", "maximum", "choices", "description"})
_NAME = re.compile(r"\A[a-z][a-z0-9_]{0,63}\Z")

# A word that no option has in its name
_NOT_AN_OPTION = re.compile(
    r"(?:\A|_)(?:"
    # the price: more answers than were asked for, searches, tiers, other media
    r"n|num|count|best|beam|candidates?|choices?|completions|samples|search|web|plugins?|connector|tier|priority|fast|speed|performance|"
    r"batch|background|audio|images?|video|files?|cache|ttl|"
    # the output limit, and what comes back
    r"tokens?|budget|max|length|limit|quota|retry|retries|timeout|stream|echo|mock|"
    # the destination, and who calls
    r"base|url|urls|uri|host|domain|endpoint|path|proxy|region|route|router|routing|model|models|deployment|provider|providers|service|"
    r"server|vendor|partner|fallbacks?|transforms|callbacks?|webhook|headers?|body|extra|options|key|secret|credentials?|credits|ssl|tls|"
    r"organization|project|customer|user|metadata|store"
    r")(?:_|\Z)"
)
# Fields of a request that FIELDS does not list, as OpenAI and others name them
_REQUEST = frozenset({"messages", "prompt", "input", "functions", "function_call", "modalities", "prediction", "moderation"})


def shape_problems(options: Any) -> list[str]:
    """What is wrong with the options of a model's entry, in words for staff."""
    if not isinstance(options, dict):
        return ["Give a mapping of names to types and ranges."]
    return [problem for name, shape in options.items() for problem in _shape_problems(name, shape)]


def wrong_values(options: Mapping[str, Any], *, shapes: Mapping[str, Any]) -> list[FieldError]:
    """Those of a caller's `options` that are not of their shape. What `shapes` does not list is no matter of this."""
    return [
        {"param": pointer(OPTION_PREFIX + name), "message": f"must be {_wanted(shapes[name])}"}
        for name, value in options.items()
        if name in shapes and not _fits(value, shapes[name])
    ]


def as_sent(options: Mapping[str, Any], shapes: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the right shape as a provider takes them: an integral float of an integer option is an integer."""
    return {name: int(value) if shapes[name]["type"] == "integer" else value for name, value in options.items()}


def _shape_problems(name: Any, shape: Any) -> Iterator[str]:
    if not _NAME.match(name) or name in FIELDS or name in _REQUEST or _NOT_AN_OPTION.search(name):
        yield f"{name!r} can't be an option."
        return
    if not isinstance(shape, dict) or shape.get("type") not in TYPES:
        yield f"{name!r} needs a type: {', '.join(TYPES)}."
        return
    if unknown := sorted(str(key) for key in set(shape) - _KEYS):
        yield f"{name!r} has {', '.join(unknown)}; known are {', '.join(sorted(_KEYS))}."
    kind = shape["type"]
    if "choices" in shape:
        choices = shape["choices"]
        if kind == "boolean" or not isinstance(choices, list) or not choices or not all(_is_a(kind, choice) for choice in choices):
            yield f"{name!r} needs a list of {kind} choices."
    elif kind == "string":
        yield f"{name!r} needs choices."
    if kind in ("integer", "number") and "choices" not in shape:
        if not all(_is_a(kind, shape.get(end)) for end in ("minimum", "maximum")) or shape["minimum"] > shape["maximum"]:
            yield f"{name!r} needs a minimum and a maximum."
    elif "minimum" in shape or "maximum" in shape:
        yield f"{name!r} takes no minimum and maximum."
    if not isinstance(shape.get("description", ""), str):
        yield f"The description of {name!r} must be a text."


def _is_a(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return type(value) is int or (isinstance(value, float) and value.is_integer())
    return type(value) in (int, float) and math.isfinite(value)


def _fits(value: Any, shape: Mapping[str, Any]) -> bool:
    if not _is_a(shape["type"], value):
        return False
    if "choices" in shape:
        return value in shape["choices"]
    return "minimum" not in shape or bool(shape["minimum"] <= value <= shape["maximum"])


def _wanted(shape: Mapping[str, Any]) -> str:
    if "choices" in shape:
        return "one of " + ", ".join(str(choice) for choice in shape["choices"])
    kind = {"boolean": "true or false", "integer": "an integer", "number": "a number"}.get(shape["type"], "a string")
    return f"{kind} from {shape['minimum']} to {shape['maximum']}" if "minimum" in shape else kind
