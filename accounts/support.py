"""Where customers write when they need somebody."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def context(request: HttpRequest) -> dict[str, str]:
    """For templates: the address of our support."""
    return {"support_email": settings.SUPPORT_EMAIL}
