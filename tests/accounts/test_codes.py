"""Signing in by a code that is mailed, with or without a password of one's own."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest
from allauth.account.models import EmailAddress

from accounts.models import User
from tests.browsing import browser, mailed_code, mailed_to, read, sign_in, text
from tests.factories import PASSWORD, AccountFactory, UserFactory, WalletFactory
from wallets.models import Wallet

pytestmark = pytest.mark.usefixtures("committed")
ASK, CONFIRM = "/accounts/login/code/", "/accounts/login/code/confirm/"


@pytest.fixture
def email():
    return WalletFactory().account.user.email


def ask(email, **more):
    client = browser()
    assert client.post(ASK, {"email": email, **more}).headers["Location"].startswith(CONFIRM)
    return client


def signed_in(client):
    return "Sign out" in text(client.get("/"))


def test_the_code_of_the_mail_signs_in(email):
    client = ask(email)
    assert client.post(CONFIRM, {"code": mailed_code(email)}).headers["Location"] == "/"
    assert signed_in(client)
    (message,) = mailed_to(email)
    assert message.subject == "Your code to sign in"
    assert message.from_email == "beatra <no-reply@beatra.example>"


def test_it_leads_back_to_the_page_that_was_asked_for(email):
    client = ask(email, next="/usage/")
    response = client.post(f"{CONFIRM}?next=/usage/", {"code": mailed_code(email)})
    assert response.headers["Location"] == "/usage/"


def test_the_sign_in_form_sends_a_code_to_the_address_typed_there(email):
    client = browser()
    assert f'formaction="{ASK}"' in client.get("/accounts/login/").content.decode()
    assert client.post(ASK, {"login": email, "password": ""}).headers["Location"] == CONFIRM
    assert client.post(CONFIRM, {"code": mailed_code(email)}).headers["Location"] == "/"


@pytest.mark.parametrize("typed", [lambda code: code.replace("-", ""), lambda code: f"  {code.replace('-', ' ')} "])
def test_the_dash_may_be_left_out(email, typed):
    client = ask(email)
    client.post(CONFIRM, {"code": typed(mailed_code(email))})
    assert signed_in(client)


def test_three_wrong_codes_end_the_try(email):
    client = ask(email)
    code = mailed_code(email)
    for _ in range(2):
        assert "not the code" in text(client.post(CONFIRM, {"code": "0000-0000"}))
    assert "You can have a new one at once." in text(client.post(CONFIRM, {"code": "0000-0000"}, follow=True))
    client.post(CONFIRM, {"code": code})
    assert not signed_in(client)


def test_a_code_is_good_once(email):
    client = ask(email)
    code = mailed_code(email)
    client.post(CONFIRM, {"code": code})
    assert client.post(CONFIRM, {"code": code}).headers["Location"] == "/"
    client.post("/accounts/logout/")
    assert "has expired or was used before" in text(client.post(CONFIRM, {"code": code}, follow=True))
    assert not signed_in(client)


def test_a_code_is_worth_nothing_in_another_browser(email):
    ask(email)
    stranger = ask("nobody-of-this-name@example.com")
    stranger.post(CONFIRM, {"code": mailed_code(email)})
    assert not signed_in(stranger)


def test_a_code_expires_and_says_so(email, settings):
    client = ask(email)
    code = mailed_code(email)
    settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT = -1
    assert "has expired or was used before" in text(client.post(CONFIRM, {"code": code}, follow=True))
    assert not signed_in(client)


def test_a_new_code_replaces_the_old_one(email):
    client = ask(email)
    old = mailed_code(email)
    assert "A new code is on its way" in text(client.post(CONFIRM, {"action": "resend"}, follow=True))
    new = mailed_code(email)
    assert new != old
    assert "not the code" in text(client.post(CONFIRM, {"code": old}))
    client.post(CONFIRM, {"code": new})
    assert signed_in(client)


def test_another_address_can_be_used_instead(email):
    client = ask(f"typo-{email}")
    assert client.get("/accounts/login/").headers["Location"] == CONFIRM
    assert client.post("/accounts/logout/", {"next": ASK}).headers["Location"] == ASK
    assert client.get(ASK).status_code == 200


def test_a_password_can_be_used_instead_of_the_code(email):
    client = ask(email, next="/usage/")
    page = client.get(f"{CONFIRM}?next=/usage/")
    assert "Use another address" in text(page)
    assert "Sign in with a password" in text(page)
    assert 'name="next" value="/accounts/login/?next=%2Fusage%2F"' in page.content.decode()
    out = client.post("/accounts/logout/", {"next": "/accounts/login/?next=%2Fusage%2F"}, follow=True)
    assert out.redirect_chain == [("/accounts/login/?next=%2Fusage%2F", 302)]
    assert client.post("/accounts/login/", {"login": email, "password": PASSWORD}).headers["Location"] == "/"


@pytest.mark.parametrize("path", ["/", "/accounts/signup/", "/accounts/login/", "/accounts/password/reset/", "/demo/inbox"])
def test_looking_at_another_page_leaves_the_code_good(email, path):
    client = ask(email)
    client.get(path)
    client.post(CONFIRM, {"code": mailed_code(email)})
    assert signed_in(client)


def test_who_signs_up_gives_the_code_to_sign_in_up(email):
    client = ask(email)
    other = f"{uuid.uuid4().hex}@example.com"
    assert client.post("/accounts/signup/", {"email": other}).headers["Location"] == "/accounts/confirm-email/"
    assert client.post(CONFIRM, {"code": mailed_code(email)}).headers["Location"] == ASK
    client.post("/accounts/confirm-email/", {"code": mailed_code(other)})
    assert signed_in(client)


def test_the_first_page_leads_to_a_code_that_is_waited_for(email):
    waited = ask(email).get("/")
    assert f"We have mailed a code to {email} . Enter the code" in text(waited)
    assert CONFIRM in read(waited).links
    assert "Enter the code" not in text(browser().get("/"))


def test_who_is_switched_off_gets_no_code_and_can_not_use_one_sent_before():
    user = AccountFactory().user
    client = ask(user.email)
    code = mailed_code(user.email)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.post(CONFIRM, {"code": code}).headers["Location"] == "/accounts/inactive/"
    assert not signed_in(client)
    ask(user.email)
    assert mailed_to(user.email)[-1].subject == "No account with this address"


def test_a_closed_account_can_not_be_signed_in_to():
    email = AccountFactory(status="closed").user.email
    client = ask(email)
    assert client.post(CONFIRM, {"code": mailed_code(email)}).headers["Location"] == "/accounts/inactive/"
    assert not signed_in(client)


def test_a_suspended_account_is_looked_at_by_code_as_by_password():
    email = WalletFactory(account=AccountFactory(status="suspended")).account.user.email
    client = ask(email)
    client.post(CONFIRM, {"code": mailed_code(email)})
    assert "Your account is suspended." in text(client.get("/"))
    assert "Your account is suspended." in text(sign_in(email).get("/"))


# Codes and addresses that are not confirmed yet


def sign_up(**fields):
    email = f"{uuid.uuid4().hex}@example.com"
    client = browser()
    assert client.post("/accounts/signup/", {"email": email, **fields}).headers["Location"] == "/accounts/confirm-email/"
    return client, email


def test_signing_up_needs_no_password():
    client, email = sign_up()
    client.post("/accounts/confirm-email/", {"code": mailed_code(email)})
    assert signed_in(client)
    assert not User.objects.get(email=email).has_usable_password()
    again = ask(email)
    again.post(CONFIRM, {"code": mailed_code(email)})
    assert signed_in(again)


def test_the_code_confirms_the_address_and_brings_the_welcome(settings):
    settings.WELCOME_CREDITS = Decimal(1000)
    _, email = sign_up()
    client = ask(email)
    client.post(CONFIRM, {"code": mailed_code(email)})
    assert "Welcome: 1000.0000 credits are in your wallet." in text(client.get("/"))
    assert EmailAddress.objects.get(email=email).verified
    assert Wallet.objects.get(account__user__email=email).balance == 1000


def test_the_password_of_whoever_signed_up_with_my_address_is_dropped_when_i_come_by_code():
    stranger, email = sign_up(password1=PASSWORD)
    owner = ask(email)
    response = owner.post(CONFIRM, {"code": mailed_code(email)}, follow=True)
    assert "The password given at sign-up no longer counts" in text(response)
    assert signed_in(owner)
    assert "don't belong together" in text(browser().post("/accounts/login/", {"login": email, "password": PASSWORD}))
    stranger.get("/accounts/confirm-email/")
    assert not signed_in(stranger)


def test_the_password_of_a_customer_stays_when_they_come_by_code(email):
    client = ask(email)
    client.post(CONFIRM, {"code": mailed_code(email)})
    assert signed_in(sign_in(email))


def test_confirming_is_undone_when_the_credits_fail(settings, monkeypatch):
    _, email = sign_up()

    def fail(*args, **kwargs):
        raise RuntimeError("no credits today")

    client = ask(email)
    client.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr("beatra_site.signup.grant_welcome", fail)
        assert client.post(CONFIRM, {"code": mailed_code(email)}).status_code == 500
    assert not EmailAddress.objects.get(email=email).verified
    assert not signed_in(client)


def test_three_wrong_codes_end_the_confirming_and_signing_in_sends_another():
    client, email = sign_up(password1=PASSWORD)
    for _ in range(3):
        response = client.post("/accounts/confirm-email/", {"code": "0000-0000"}, follow=True)
    assert "You can have a new one at once." in text(response)
    assert client.post("/accounts/login/", {"login": email, "password": PASSWORD}).headers["Location"] == "/accounts/confirm-email/"
    client.post("/accounts/confirm-email/", {"code": mailed_code(email)})
    assert signed_in(client)


def test_no_code_reaches_a_log(email, caplog):
    with caplog.at_level("DEBUG"):
        client = ask(email)
        code = mailed_code(email)
        client.post(CONFIRM, {"code": "0000-0000"})
        client.post(CONFIRM, {"code": code})
    assert code not in caplog.text
    assert code.replace("-", "") not in caplog.text


def test_staff_who_were_added_by_hand_sign_in_by_code_too():
    user = UserFactory(is_staff=True)
    client = ask(user.email)
    client.post(CONFIRM, {"code": mailed_code(user.email)})
    assert client.get("/admin/").status_code == 200


def test_who_was_never_asked_for_a_code_confirms_the_address_from_the_page_of_it(settings):
    settings.WELCOME_CREDITS = Decimal(1000)
    user = AccountFactory(user__verified=False).user
    WalletFactory(account=user.account)
    client = browser()
    client.force_login(user)
    assert "is not confirmed yet" in text(client.get("/accounts/email/"))
    response = client.post("/accounts/email/", {"action_send": "", "email": user.email})
    assert response.headers["Location"] == "/accounts/confirm-email/"
    client.post("/accounts/confirm-email/", {"code": mailed_code(user.email)})
    assert EmailAddress.objects.get(user=user).verified
    assert Wallet.objects.get(account__user=user).balance == 1000
