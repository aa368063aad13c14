"""What a stranger learns of who is a customer: nothing, by no answer of any page, at no step."""

from __future__ import annotations

import re
import uuid

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher

from beatra_site import mailing
from tests.browsing import browser, mailed_to
from tests.factories import PASSWORD, AccountFactory, UserFactory

pytestmark = pytest.mark.usefixtures("committed")

# A stranger's way through each door, as far as it goes without the mail
DOORS = {
    "password": [("/accounts/login/", {"login": "{email}", "password": "wrong password"})],
    "code": [
        ("/accounts/login/code/", {"email": "{email}"}),
        ("/accounts/login/code/confirm/", {"code": "0000-0000"}),
        ("/accounts/login/code/confirm/", {"action": "resend"}),
        ("/accounts/login/code/confirm/", {"code": "0000-0000"}),
        ("/accounts/login/code/confirm/", {"code": "0000-0000"}),
    ],
    "sign-up": [
        ("/accounts/signup/", {"email": "{email}", "password1": PASSWORD}),
        ("/accounts/confirm-email/", {"code": "0000-0000"}),
        ("/accounts/confirm-email/", {"action": "resend"}),
        ("/accounts/confirm-email/", {"action": "change", "email": "other@example.com"}),
        ("/accounts/confirm-email/", {"code": "0000-0000"}),
    ],
    "sign-up, given up": [
        ("/accounts/signup/", {"email": "{email}", "password1": PASSWORD}),
        ("/accounts/logout/", {"next": "/accounts/signup/"}),
        ("/accounts/confirm-email/", {"code": "0000-0000"}),
    ],
    "sign-up without a password": [("/accounts/signup/", {"email": "{email}"})],
    "reset": [
        ("/accounts/password/reset/", {"email": "{email}"}),
        ("/accounts/password/reset/confirm/", {"code": "0000-0000"}),
        ("/accounts/password/reset/complete/", {"password1": PASSWORD}),
    ],
}


def seen(door, email):
    """All that a browser is shown on the way: statuses, targets, pages, the names of the cookies."""
    client, shown = browser(), []
    for path, data in DOORS[door]:
        response = client.post(path, {name: value.format(email=email) for name, value in data.items()})
        pages = [response, client.get(response.headers["Location"])] if response.status_code == 302 else [response]
        for page in pages:
            html = page.content.decode().replace(email, "…")
            shown.append((page.status_code, page.headers.get("Location"), re.sub(r'(csrfmiddlewaretoken" value=)"\w+"', r"\1", html)))
    return shown, sorted(client.cookies)


@pytest.mark.parametrize("door", DOORS)
def test_a_customer_and_nobody_are_told_alike(door):
    customers = [AccountFactory().user, UserFactory(verified=False), UserFactory(is_active=False)]
    nobody = seen(door, f"{uuid.uuid4().hex}@example.com")
    for customer in customers:
        assert seen(door, customer.email) == nobody


@pytest.mark.parametrize("door", ["code", "reset", "sign-up"])
def test_a_mail_leaves_either_way_so_that_both_take_as_long(door):
    for email in (AccountFactory().user.email, f"{uuid.uuid4().hex}@example.com"):
        path, data = DOORS[door][0]
        browser().post(path, {name: value.format(email=email) for name, value in data.items()})
        assert len(mailed_to(email)) == 1


def test_a_password_is_hashed_for_a_taken_address_as_for_a_new_one(monkeypatch):
    hashed = []
    encode = Argon2PasswordHasher.encode
    monkeypatch.setattr(Argon2PasswordHasher, "encode", lambda self, *args, **kwargs: hashed.append(1) or encode(self, *args, **kwargs))
    for email in (f"{uuid.uuid4().hex}@example.com", UserFactory().email):
        browser().post("/accounts/signup/", {"email": email, "password1": PASSWORD})
    assert len(hashed) == 2


def test_adding_an_address_of_another_customer_tells_nothing_of_them():
    owner, other = AccountFactory().user, AccountFactory().user
    answers = []
    for address in (other.email, f"{uuid.uuid4().hex}@example.com"):
        client = browser()
        client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        response = client.post("/accounts/email/", {"action_add": "", "email": address}, follow=True)
        html = response.content.decode().replace(address, "…")
        answers.append((response.redirect_chain, re.sub(r'(csrfmiddlewaretoken" value=)"\w+"', r"\1", html)))
    assert answers[0] == answers[1]


def test_a_page_does_not_wait_for_the_mail_server_nor_fail_with_it(settings, caplog, monkeypatch):
    monkeypatch.setattr(mailing, "_PAUSES_SECONDS", (0, 0, 0))
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    response = browser().post("/accounts/login/code/", {"email": "ann@example.com"})
    assert response.status_code == 302
    mailing.wait()
    (line,) = [record for record in caplog.records if record.name == "beatra_site.mailing"]
    assert (line.message, line.error) == ("mail not sent", "ConnectionRefusedError")
    assert "ann" not in caplog.text
