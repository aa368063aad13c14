"""The answer of /v1: JSON, written without a renderer."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpResponse


class JsonAnswer(HttpResponse):
    """A JSON answer written by orjson: `JsonAnswer({"object": "list"}, status=200)`.

    The views of `AsyncAPIView` return it; it costs no renderer and no negotiation. A Decimal must be made text before.
    """

    def __init__(self, data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(orjson.dumps(data), status=status, headers=dict(headers or {}), content_type="application/json")
