"""The sign-in pages while Redis is away: they work, and count by process (test_rate_limits.py)."""

from __future__ import annotations

import pytest

from tests.browsing import browser
from tests.factories import PASSWORD, AccountFactory

pytestmark = pytest.mark.django_db


def test_a_customer_signs_in_while_redis_is_away(settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}}
    user = AccountFactory().user
    response = browser().post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert (response.status_code, response["location"]) == (302, "/")


def test_a_wrong_password_is_still_refused(settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}}
    user = AccountFactory().user
    assert browser().post("/accounts/login/", {"login": user.email, "password": "wrong"}).status_code == 200
