"""JSON that staff type, as far as the database can keep it."""

from __future__ import annotations

from typing import Any

import orjson
from django import forms
from django.forms.fields import InvalidJSONInput


class StrictJSONField(forms.JSONField):
    """Refuses what Python reads and a `jsonb` column does not take: NaN, NUL, lone surrogates, hundreds of levels."""

    def to_python(self, value: Any) -> Any:
        """Raises ValidationError."""
        if isinstance(value, str) and value and not _can_be_kept(value):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid", params={"value": value})
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed, for the form that comes back with its errors."""
        if isinstance(data, str) and not _can_be_kept(data):
            return InvalidJSONInput(data)
        return super().bound_data(data, initial)


def _can_be_kept(text: str) -> bool:
    try:
        written = orjson.dumps(orjson.loads(text))  # it writes 254 levels at most: the slower writers get through them too
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False
    return rb"\u0000" not in written
