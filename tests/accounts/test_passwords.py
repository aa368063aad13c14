"""Signing in and out, forgetting a password, changing it."""

from __future__ import annotations

import pytest

from tests.browsing import browser, mailed_link, mailed_to, sign_in, text
from tests.factories import PASSWORD, AccountFactory, UserFactory, WalletFactory

pytestmark = pytest.mark.usefixtures("committed")
NEW = "another-fine-horse-7"


@pytest.fixture
def email():
    return WalletFactory().account.user.email


def test_signing_in_leads_home_and_signing_out_ends_it(email):
    client = sign_in(email)
    assert "Sign out" in text(client.get("/"))
    assert client.post("/accounts/logout/").headers["Location"] == "/"
    assert client.get("/usage/").headers["Location"].startswith("/accounts/login/?next=")


def test_a_link_does_not_sign_anybody_out(email):
    client = sign_in(email)
    assert client.get("/accounts/logout/").status_code == 200
    assert client.get("/usage/").status_code == 200


def test_signing_in_leads_back_to_the_page_that_was_asked_for_but_never_off_the_site(email):
    for wanted, led in (("/usage/", "/usage/"), ("https://evil.example/", "/"), ("//evil.example/", "/")):
        response = browser().post("/accounts/login/", {"login": email, "password": PASSWORD, "next": wanted})
        assert response.headers["Location"] == led


def test_a_wrong_password_and_an_unknown_address_are_told_alike(email):
    answers = [
        text(browser().post("/accounts/login/", {"login": login, "password": "wrong"})).replace(login, "…")
        for login in (email, "nobody-here@example.com")
    ]
    assert "not correct" in answers[0]
    assert answers[0] == answers[1]


def test_guessing_is_stopped_after_five_tries(email):
    answers = [text(browser().post("/accounts/login/", {"login": email, "password": f"guess {number}"})) for number in range(6)]
    assert all("not correct" in answer for answer in answers[:5])
    assert "Too many failed login attempts" in answers[5]


def test_a_forgotten_password_is_reset_by_mail(email):
    client = browser()
    assert client.post("/accounts/password/reset/", {"email": email}).headers["Location"] == "/accounts/password/reset/done/"
    assert mailed_to(email)[-1].subject == "Reset your password"
    link = mailed_link(email, "/password/reset/key/")
    form = client.get(link).headers["Location"]
    assert client.get(form).status_code == 200
    assert client.post(form, {"password1": NEW, "password2": "other"}).status_code == 200
    assert client.post(form, {"password1": NEW, "password2": NEW}).headers["Location"] == "/accounts/password/reset/key/done/"
    assert mailed_to(email)[-1].subject == "Your password was reset"
    assert "not correct" in text(browser().post("/accounts/login/", {"login": email, "password": PASSWORD}))
    assert sign_in(email, NEW)
    assert "Link not valid" in text(browser().get(link))


def test_asking_to_reset_tells_no_stranger_who_is_a_customer(email):
    for asked, subject in ((email, "Reset your password"), ("nobody-at-all@example.com", "No account with this address")):
        response = browser().post("/accounts/password/reset/", {"email": asked})
        assert response.headers["Location"] == "/accounts/password/reset/done/"
        assert mailed_to(asked)[-1].subject == subject


def test_changing_the_password_ends_other_sessions(email):
    here, elsewhere = sign_in(email), sign_in(email)
    change = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert here.post("/accounts/password/change/", change).status_code == 302
    assert here.get("/usage/").status_code == 200
    assert elsewhere.get("/usage/").status_code == 302
    assert mailed_to(email)[-1].subject == "Your password was changed"


def test_changing_the_address_wants_the_password_first(email):
    client = browser()
    client.force_login(AccountFactory().user)
    response = client.post("/accounts/email/", {"action_add": "", "email": "new-one@example.com"})
    assert response.headers["Location"].startswith("/accounts/reauthenticate/")
    assert mailed_to("new-one@example.com") == []


def test_a_user_who_is_switched_off_can_not_sign_in():
    user = UserFactory(is_active=False)
    client = browser()
    response = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert response.headers["Location"] == "/accounts/inactive/"
    assert "Sign-in is off" in text(client.get("/accounts/inactive/"))
