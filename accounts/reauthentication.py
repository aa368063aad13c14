"""Who is asked once more who they are before a change, and how: by password, or by a code to their own address."""

from __future__ import annotations

import time
from typing import Any

from allauth.account import app_settings
from allauth.account.internal.flows.login import get_authentication_records
from django.http import HttpRequest
from django.urls import reverse


def authenticated_recently(request: HttpRequest) -> bool:
    """Whether the signed-in user showed who they are within the last five minutes, signing in included."""
    if not request.user.is_authenticated:
        return False
    records = get_authentication_records(request, request.user)
    return bool(records) and time.time() - records[-1]["at"] < app_settings.REAUTHENTICATION_TIMEOUT


def by_code() -> dict[str, Any]:
    """The method "code by email", in the form in which allauth's adapter lists methods."""
    return {
        "id": "reauthenticate_by_code",
        "description": "Get a code by email instead",
        "url": reverse("account_reauthenticate_by_code"),
    }
