"""One spelling for JSON that says the same: how two bodies are told to be equal, however their callers wrote them."""

from __future__ import annotations

from typing import Any

import orjson


def canonical(body: dict[str, Any]) -> bytes:
    """`body`, read by `contract.strict_json`, in the one spelling: keys sorted, no spaces, an integral float as the integer it is.

    `null` at the top means not given, and is left out. Deeper down it may be somebody's own value (a tool's schema knows
    `"default": null`), and counts.
    """
    return orjson.dumps({name: _plain(value) for name, value in body.items() if value is not None}, option=orjson.OPT_SORT_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        # beyond these there is no integer in JSON as we take it
        return int(value) if value.is_integer() and -(2**63) <= value < 2**64 else value
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
