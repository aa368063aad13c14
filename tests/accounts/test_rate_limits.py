"""How often may be tried: by address, by mailbox, by user; counted by whom the request came from, in Redis or without it."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from tests.browsing import browser, mailed_to, text
from tests.factories import PASSWORD, AccountFactory

pytestmark = pytest.mark.usefixtures("committed")


def new_email():
    return f"{uuid.uuid4().hex}@example.com"


@pytest.fixture(params=["with redis", "without redis"])
def redis(request, settings):
    if request.param == "without redis":
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:1/{uuid.uuid4().int % 100_000}"}}


def test_a_password_is_guessed_five_times_at_most(redis):
    email = AccountFactory().user.email
    for _ in range(5):
        browser().post("/accounts/login/", {"login": email, "password": "guess"})
    assert "Too many tries." in text(browser().post("/accounts/login/", {"login": email, "password": PASSWORD}))


@pytest.mark.parametrize("known", [True, False])
def test_no_more_than_three_codes_a_minute_are_mailed_to_one_address(redis, known):
    email = AccountFactory().user.email if known else new_email()
    for _ in range(3):
        assert browser().post("/accounts/login/code/", {"email": email}).status_code == 302
    assert "Too many tries." in text(browser().post("/accounts/login/code/", {"email": email}))
    assert len(mailed_to(email)) == 3


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/accounts/password/reset/", {}),
        ("/accounts/signup/", {"password1": PASSWORD}),
    ],
)
def test_no_more_than_three_other_mails_a_minute_leave_to_one_address(path, fields):
    email = new_email()
    answers = [browser().post(path, {"email": email, **fields}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [302, 302, 302, 429]
    assert "Too many tries" in text(answers[-1])
    assert len(mailed_to(email)) == 3


def test_a_signed_in_user_is_limited_too():
    client = browser()
    client.force_login(AccountFactory().user)
    answers = [client.post("/accounts/reauthenticate/", {"password": ""}).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]


def test_no_more_than_thirty_codes_a_minute_are_taken_from_one_address():
    """Also of somebody who begins anew after every third, or sends them all at once."""
    client = browser()
    answers = [client.post("/accounts/login/code/confirm/", {"code": "0000-0000"}).status_code for _ in range(31)]
    assert answers == [302] * 30 + [429]


def tries(*addresses, **headers):
    """The answers to thirty-one forms to sign in from one connection, which says that it speaks for others."""
    client = Client(REMOTE_ADDR=f"10.{uuid.uuid4().int % 250}.{uuid.uuid4().int % 250}.1", headers={"host": "localhost"})
    return [
        client.post("/accounts/login/", {}, headers={"x-forwarded-for": addresses[number % len(addresses)]}).status_code
        for number in range(31)
    ]


def test_without_proxies_a_client_can_not_pretend_to_be_many():
    assert tries("203.0.113.1", "203.0.113.2")[-1] == 429


def test_behind_a_proxy_each_client_counts_for_itself(settings):
    settings.TRUSTED_PROXY_COUNT = 1
    one, two, own = (f"198.51.{uuid.uuid4().int % 250}.{number}" for number in (1, 2, 3))
    assert 429 not in tries(one, two)
    # what the client itself claims stands before what the proxy adds
    assert tries(f"203.0.113.1, {own}", f"203.0.113.2, {own}")[-1] == 429
