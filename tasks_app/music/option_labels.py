"""What the options of music models are called on pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_CHOICES: Final[Mapping[str, Mapping[str, str]]] = {"vocal_gender": {"m": "Male", "f": "Female"}}


def label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def value_label(name: str, value: Any) -> str:
    """`True` is "Yes", and a choice is as the form words it."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return _CHOICES.get(name, {}).get(value, str(value))
