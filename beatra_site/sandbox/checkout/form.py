"""Stripe's request bodies: `line_items[0][price_data][currency]=usd`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl


def read(body: bytes) -> dict[str, Any]:
    """The nested fields of a form. All values are text, and what is numbered is a dict by its number."""
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        *steps, last = [step for step in re.split(r"[\[\]]+", name) if step] or [""]
        inner = fields
        for step in steps:
            deeper = inner.setdefault(step, {})
            inner = deeper if isinstance(deeper, dict) else {}
        inner[last] = value
    return fields


def text(fields: dict[str, Any], *path: str) -> str:
    """The text at a path of names; empty where there is none."""
    found: Any = fields
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""
