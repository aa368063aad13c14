"""Signing in and out, forgetting a password, changing it."""

from __future__ import annotations

import pytest

from tests.browsing import browser, mailed_code, mailed_to, sign_in, text
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
    assert "don't belong together" in answers[0]
    assert answers[0] == answers[1]


def test_guessing_is_stopped_after_five_tries(email):
    answers = [text(browser().post("/accounts/login/", {"login": email, "password": f"guess {number}"})) for number in range(6)]
    assert all("don't belong together" in answer for answer in answers[:5])
    assert "Too many tries." in answers[5]


def ask_to_reset(email):
    client = browser()
    response = client.post("/accounts/password/reset/", {"email": email})
    assert response.headers["Location"] == "/accounts/password/reset/confirm/"
    return client


def test_a_forgotten_password_is_reset_by_a_mailed_code(email):
    elsewhere, client = sign_in(email), ask_to_reset(email)
    assert client.get("/accounts/password/reset/complete/").headers["Location"] == "/accounts/password/reset/confirm/"
    response = client.post("/accounts/password/reset/confirm/", {"code": mailed_code(email)})
    assert response.headers["Location"] == "/accounts/password/reset/complete/"
    assert "too common" in text(client.post("/accounts/password/reset/complete/", {"password1": "password1"}))
    assert client.post("/accounts/password/reset/complete/", {"password1": NEW}).headers["Location"] == "/"
    assert "Sign out" in text(client.get("/"))
    assert elsewhere.get("/usage/").status_code == 302
    assert mailed_to(email)[-1].subject == "Your password was reset"
    assert "don't belong together" in text(browser().post("/accounts/login/", {"login": email, "password": PASSWORD}))
    assert sign_in(email, NEW)


def test_a_code_to_reset_is_good_once_and_in_its_browser(email):
    client = ask_to_reset(email)
    code = mailed_code(email)
    assert browser().post("/accounts/password/reset/confirm/", {"code": code}).headers["Location"] == "/accounts/login/"
    client.post("/accounts/password/reset/confirm/", {"code": code})
    client.post("/accounts/password/reset/complete/", {"password1": NEW})
    client.post("/accounts/logout/")
    again = client.post("/accounts/password/reset/confirm/", {"code": code}, follow=True)
    assert "has expired or was used before" in text(again)


def test_three_wrong_codes_to_reset_end_the_try(email):
    client = ask_to_reset(email)
    code = mailed_code(email)
    for _ in range(2):
        assert "not the code" in text(client.post("/accounts/password/reset/confirm/", {"code": "0000-0000"}))
    assert "You can have a new one at once." in text(client.post("/accounts/password/reset/confirm/", {"code": "0000-0000"}, follow=True))
    assert client.post("/accounts/password/reset/confirm/", {"code": code}).headers["Location"] == "/accounts/login/"


def test_another_code_to_reset_can_be_sent_and_only_the_newest_counts(email):
    client, path = ask_to_reset(email), "/accounts/password/reset/confirm/"
    old = mailed_code(email)
    assert "Send a new code" in text(client.get(path))
    assert f"A new code is on its way to {email}." in text(client.post(path, {"action": "resend"}, follow=True))
    assert "not the code" in text(client.post(path, {"code": old}))
    assert client.post(path, {"action": "resend"}).status_code == 302
    assert "Send a new code" not in text(client.get(path))
    assert client.post(path, {"code": mailed_code(email)}).headers["Location"] == "/accounts/password/reset/complete/"
    assert len(mailed_to(email)) == 3


def test_a_new_code_is_promised_alike_where_there_is_no_account():
    stranger, path = "nobody-to-reset@example.com", "/accounts/password/reset/confirm/"
    client = ask_to_reset(stranger)
    assert f"A new code is on its way to {stranger}." in text(client.post(path, {"action": "resend"}, follow=True))
    assert len(mailed_to(stranger)) == 1


def test_changing_the_password_ends_other_sessions(email):
    here, elsewhere = sign_in(email), sign_in(email)
    change = {"oldpassword": PASSWORD, "password1": NEW}
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
    no_entry(UserFactory(is_active=False))


def test_a_closed_account_can_not_be_signed_in_to():
    no_entry(AccountFactory(status="closed").user)


def no_entry(user):
    client = browser()
    response = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert response.headers["Location"] == "/accounts/inactive/"
    assert "Sign-in is off" in text(client.get("/accounts/inactive/"))
