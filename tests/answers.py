"""Real answers held against the shapes of `answers.py`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def assert_shape(answer: Any, shape: type[BaseModel]) -> None:
    """`answer`, parsed JSON, has every field of `shape` in its type, and none that the shape does not name."""
    told = shape.model_validate(answer, strict=True).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert told == answer
