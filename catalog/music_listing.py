"""What a family of music models takes, as the public catalog shows it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from catalog.music_limits import FIELDS, REFERENCE_TYPES, MusicLimits, Option, Span

_SPANS: Final = ("prompt", "prompt_in_custom_mode", "prompt_with_reference", "lyrics", "lyrics_with_reference", "title")


def takes(limits: MusicLimits) -> dict[str, Any]:
    """`supported_fields`, `supported_options` and `limits` of the shape `catalog.answers.CatalogModel`."""
    return {
        "supported_fields": [*FIELDS, "reference_audio"],
        "supported_options": {name: _option(option) for name, option in limits.options.items()},
        "limits": {
            **{name: _span(span) for name in _SPANS if (span := getattr(limits, name)) is not None},
            "reference_audio": _reference(limits),
            "options_name": limits.options_name,
            "clips": limits.clips,
        },
    }


def _span(span: Span) -> dict[str, int]:
    return {"minimum": span.minimum, "maximum": span.maximum}


def _reference(limits: MusicLimits) -> dict[str, Any]:
    reference = limits.reference
    return {
        "mime_types": list(REFERENCE_TYPES),
        "seconds": _span(reference.seconds),
        "max_bytes": reference.most_bytes,
        "not_with": [*([] if reference.instrumental else ["instrumental"]), *sorted(reference.refused_options)],
    }


def _option(option: Option) -> dict[str, Any]:
    shown = {
        "type": option.type,
        "minimum": _number(option.minimum),
        "maximum": _number(option.maximum),
        "step": _number(option.step),
        "choices": list(option.choices) or None,
        "max_length": option.max_length,
        "description": option.description,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
