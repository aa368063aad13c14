"""The Idempotency-Key header, by which a caller may say that a retry is the same request."""

from __future__ import annotations

import re

from django.http import HttpRequest

from contract.errors import ApiError

_FORM = re.compile(r"[\x21-\x7e]{1,255}")


def given(request: HttpRequest) -> str | None:
    """The caller's key, or None. Raises ApiError invalid_request unless it is 1 to 255 visible ASCII characters."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _FORM.fullmatch(key):
        raise ApiError("invalid_request", "The Idempotency-Key must be 1 to 255 visible ASCII characters.")
    return key
