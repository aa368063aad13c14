"""Before a change of how one signs in, one shows once more who one is: by password, or by a code."""

from __future__ import annotations

import uuid

import pytest
from allauth.account.models import EmailAddress

from tests.browsing import browser, mailed_code, mailed_to, sign_in, text
from tests.factories import AccountFactory, WalletFactory

pytestmark = pytest.mark.usefixtures("committed")
BY_CODE, EMAIL, SET = "/accounts/reauthenticate/code/", "/accounts/email/", "/accounts/password/set/"
NEW = "another-fine-horse-7"


@pytest.fixture
def user():
    """A customer without a password."""
    user = AccountFactory(user__password="!").user
    WalletFactory(account=user.account)
    return user


@pytest.fixture
def client(user):
    """Their browser, signed in some time ago."""
    client = browser()
    client.force_login(user)
    return client


def new_email():
    return f"{uuid.uuid4().hex}@example.com"


def test_who_has_no_password_is_asked_for_a_code_and_the_change_then_goes_on(user, client):
    other = new_email()
    response = client.post(EMAIL, {"action_add": "", "email": other})
    assert response.headers["Location"] == f"{BY_CODE}?next=%2Faccounts%2Femail%2F"
    assert mailed_to(other) == []
    assert client.post(BY_CODE, {"action": "send", "next": EMAIL}).headers["Location"].startswith(BY_CODE)
    assert mailed_to(user.email)[-1].subject == "Your code to go on"
    client.post(BY_CODE, {"code": mailed_code(user.email), "next": EMAIL})
    client.post("/accounts/confirm-email/", {"code": mailed_code(other)})
    assert EmailAddress.objects.get(user=user).email == other
    assert mailed_to(user.email)[-1].subject == "Your email address was changed"


def test_a_password_is_set_by_its_owner_only(user, client):
    for response in (client.get(SET), client.post(SET, {"password1": NEW})):
        assert response.headers["Location"] == f"{BY_CODE}?next=%2Faccounts%2Fpassword%2Fset%2F"
    assert NEW not in str(dict(client.session))
    client.post(BY_CODE, {"action": "send"})
    assert client.post(BY_CODE, {"code": mailed_code(user.email), "next": SET}).headers["Location"] == SET
    assert client.post(SET, {"password1": NEW}).headers["Location"] == "/account/"
    assert mailed_to(user.email)[-1].subject == "Your password was set"
    assert sign_in(user.email, NEW)


def test_who_has_just_signed_up_or_in_by_code_is_not_asked_for_another():
    email = new_email()
    client = browser()
    client.post("/accounts/signup/", {"email": email})
    client.post("/accounts/confirm-email/", {"code": mailed_code(email)})
    assert client.get(SET).status_code == 200
    client.post("/accounts/logout/")
    client.post("/accounts/login/code/", {"email": email})
    client.post("/accounts/login/code/confirm/", {"code": mailed_code(email)})
    assert client.post(SET, {"password1": NEW}).headers["Location"] == "/account/"


def test_who_forgot_the_password_can_use_a_code_too():
    user = AccountFactory().user
    client = sign_in(user.email)
    assert BY_CODE in client.get("/accounts/reauthenticate/").content.decode()
    client.post(BY_CODE, {"action": "send"})
    client.post(BY_CODE, {"code": mailed_code(user.email)})
    other = new_email()
    client.post(EMAIL, {"action_add": "", "email": other})
    assert mailed_to(other)[-1].subject == "Confirm your email address"


@pytest.mark.parametrize("way", ["password", "code"])
def test_signing_in_is_proof_enough_for_a_change_right_after_it(way, settings):
    email, other = WalletFactory().account.user.email, new_email()
    if way == "password":
        client = sign_in(email)
    else:
        client = browser()
        client.post("/accounts/login/code/", {"email": email})
        client.post("/accounts/login/code/confirm/", {"code": mailed_code(email)})
    assert client.post(EMAIL, {"action_add": "", "email": other}).headers["Location"] == "/accounts/confirm-email/"
    changed = client.post("/accounts/confirm-email/", {"code": mailed_code(other)}, follow=True)
    assert changed.redirect_chain == [("/account/", 302)]
    assert f"Your email address is now {other}." in text(changed)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = -1
    assert "/reauthenticate/" in client.post(EMAIL, {"action_add": "", "email": new_email()}).headers["Location"]


def test_three_wrong_codes_end_the_try(user, client):
    client.post(BY_CODE, {"action": "send"})
    code = mailed_code(user.email)
    for _ in range(2):
        assert "not the code" in text(client.post(BY_CODE, {"code": "0000-0000"}))
    assert "You can have a new one at once." in text(client.post(BY_CODE, {"code": "0000-0000"}, follow=True))
    assert "has expired or was used before" in text(client.post(BY_CODE, {"code": code}, follow=True))
    assert client.get(SET).status_code == 302


def test_a_code_is_good_once_and_for_a_while(user, client, settings):
    client.post(BY_CODE, {"action": "send"})
    settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT = -1
    assert "has expired" in text(client.post(BY_CODE, {"code": mailed_code(user.email)}, follow=True))
    settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 900
    code = mailed_code(user.email)
    client.post(BY_CODE, {"code": code})
    assert "was used before" in text(client.post(BY_CODE, {"code": code}, follow=True))


def test_an_empty_code_is_no_code(client):
    assert client.post(BY_CODE, {"code": ""}).status_code == 302
    client.post(BY_CODE, {"action": "send"})
    assert client.post(BY_CODE, {"code": ""}).status_code == 200
    assert client.get(SET).status_code == 302


def test_a_stranger_is_sent_to_sign_in():
    assert browser().get(BY_CODE).headers["Location"] == f"/accounts/login/?next={BY_CODE}"


def test_who_has_a_password_changes_it_and_who_has_none_sets_one(client):
    customer = sign_in(AccountFactory().user.email)
    assert customer.get(SET).headers["Location"] == "/accounts/password/change/"
    assert client.get("/accounts/password/change/").headers["Location"] == SET
    assert "Set one" in text(client.get("/account/"))
