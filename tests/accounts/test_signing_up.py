"""Signing up: the form, the mail, the code in it, and what there is afterwards."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection

from accounts.models import Account, Event, User
from beatra_site import mailing
from tests.browsing import browser, mailed_code, mailed_to, read, sign_in, text
from tests.factories import PASSWORD, UserFactory
from wallets.models import LedgerEntry, Wallet

CONFIRM = "/accounts/confirm-email/"


@pytest.fixture(autouse=True)
def _welcome(settings, committed):
    settings.WELCOME_CREDITS = Decimal(1000)


def new_email(tag: str = "") -> str:
    return f"{uuid.uuid4().hex}{tag}@example.com"


def sign_up(email, password=PASSWORD):
    client = browser()
    return client, client.post("/accounts/signup/", {"email": email, "password1": password})


def confirm(client, email):
    return client.post(CONFIRM, {"code": mailed_code(email)})


def wallet_of(email) -> Wallet:
    return Wallet.objects.get(account__user__email=email)


def test_signing_up_makes_user_account_and_wallet_and_sends_one_mail():
    email = new_email()
    _, response = sign_up(email)
    assert (response.status_code, response.headers["Location"]) == (302, "/accounts/confirm-email/")
    account = Account.objects.get(user__email=email)
    assert (account.status, account.wallet.balance, account.wallet.entries) == ("active", 0, 0)
    assert [event.kind for event in Event.objects.filter(account=account)] == ["account.created"]
    (message,) = mailed_to(email)
    assert message.subject == "Confirm your email address"
    assert message.from_email == "beatra <no-reply@beatra.example>"


def test_the_code_is_worth_nothing_in_another_browser():
    """Whoever signs up with somebody else's address can't make them confirm it by a click."""
    email = new_email()
    sign_up(email)
    stranger = browser()
    assert stranger.post(CONFIRM, {"code": mailed_code(email)}).headers["Location"] == "/accounts/login/"
    assert not EmailAddress.objects.get(email=email).verified


def test_confirming_signs_in_and_brings_the_welcome_credits():
    email = new_email()
    client, _ = sign_up(email)
    assert confirm(client, email).headers["Location"] == "/"
    home = client.get("/")
    assert home.status_code == 200
    assert "1,000.0000" in text(home)
    assert "Welcome: 1000.0000 credits are in your wallet." in text(home)
    entry = LedgerEntry.objects.get(wallet=wallet_of(email))
    assert (entry.kind, entry.amount, entry.balance_after) == ("welcome", 1000, 1000)


def test_confirming_again_brings_nothing_more():
    email = new_email()
    client, _ = sign_up(email)
    code = mailed_code(email)
    for _ in range(2):
        client.post(CONFIRM, {"code": code})
    assert wallet_of(email).balance == 1000
    assert len(LedgerEntry.objects.filter(wallet=wallet_of(email))) == 1


def test_a_plus_tag_of_a_mailbox_that_was_welcomed_gets_none():
    name = uuid.uuid4().hex
    for email, balance in ((f"{name}@example.com", 1000), (f"{name}+more@example.com", 0)):
        client, _ = sign_up(email)
        confirm(client, email)
        assert wallet_of(email).balance == balance


def test_a_changed_address_gets_no_second_welcome():
    email, other = new_email(), new_email()
    client, _ = sign_up(email)
    confirm(client, email)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/email/", {"action_add": "", "email": other})
    confirm(client, other)
    assert User.objects.get(account__wallet=wallet_of(other)).email == other
    assert wallet_of(other).balance == 1000
    assert mailed_to(email)[-1].subject == "Your email address was changed"
    assert "write to our support" in mailed_to(email)[-1].body
    assert not EmailAddress.objects.filter(email=email).exists()


def test_without_confirming_nobody_signs_in():
    email = new_email()
    sign_up(email)
    client = browser()
    response = client.post("/accounts/login/", {"login": email, "password": PASSWORD})
    assert response.headers["Location"] == "/accounts/confirm-email/"
    assert "Sign out" not in text(client.get("/"))


def test_a_taken_address_looks_the_same_to_a_stranger_and_tells_its_owner():
    taken = UserFactory().email
    _, response = sign_up(taken)
    assert (response.status_code, response.headers["Location"]) == (302, "/accounts/confirm-email/")
    assert User.objects.filter(email=taken).count() == 1
    assert mailed_to(taken)[-1].subject == "You already have an account"


@pytest.mark.parametrize("taken", [True, False])
def test_the_first_page_says_that_the_address_is_still_to_be_confirmed(taken):
    email = UserFactory().email if taken else new_email()
    client, _ = sign_up(email)
    home = client.get("/")
    assert f"{email} is still to be confirmed. Enter the code" in text(home)
    assert CONFIRM in read(home).links
    assert client.get(CONFIRM).status_code == 200


def test_after_three_wrong_codes_a_new_one_is_had_at_once():
    email = new_email()
    client, _ = sign_up(email)
    for _ in range(3):
        ended = client.post(CONFIRM, {"code": "0000-0000"}, follow=True)
    assert "You can have a new one at once." in text(ended)
    assert "Wait" not in text(ended)
    assert "is still to be confirmed" not in text(client.get("/"))
    assert client.post("/accounts/login/", {"login": email, "password": PASSWORD}).headers["Location"] == CONFIRM
    confirm(client, email)
    assert EmailAddress.objects.get(email=email).verified


def test_an_address_in_capitals_is_the_same_address():
    email = new_email()
    client, _ = sign_up(email.upper())
    assert User.objects.get(email=email).account
    confirm(client, email)
    assert sign_in(email.upper())


@pytest.mark.parametrize(
    ("email", "password", "told"),
    [
        ("", PASSWORD, "This field is required."),
        (f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 20}.com", PASSWORD, "at most 254 characters"),
        ("nobody", PASSWORD, "Enter a valid email address."),
        ("a\x00b@example.com", PASSWORD, "Null characters are not allowed."),
        ("ann@example.com", "short", "at least 8 characters"),
        ("ann@example.com", "12345678901", "entirely numeric"),
        ("ann@example.com", "password1", "too common"),
    ],
)
def test_a_form_that_is_wrong_says_why_and_makes_nobody(email, password, told):
    before = User.objects.count()
    _, response = sign_up(email, password)
    assert response.status_code == 200
    assert told in text(response)
    assert not read(response).inline
    assert User.objects.count() == before


def test_two_at_once_with_one_address_make_one_account():
    email = new_email()

    def one(_):
        try:
            return sign_up(email)[1].status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(one, range(3))) == {302}
    assert Account.objects.filter(user__email=email).count() == 1
    assert Wallet.objects.filter(account__user__email=email).count() == 1


@pytest.mark.parametrize("taken", [True, False])
def test_links_of_mails_lead_to_the_site_whatever_host_asked(settings, taken):
    settings.SITE_URL = "https://beatra.example"
    settings.ALLOWED_HOSTS = ["*"]
    email = UserFactory().email if taken else new_email()
    client = browser()
    client.post("/accounts/signup/", {"email": email, "password1": PASSWORD}, headers={"host": "evil.example"})
    client.post("/accounts/password/reset/", {"email": email}, headers={"host": "evil.example"})
    client.post("/accounts/login/code/", {"email": new_email()}, headers={"host": "evil.example"})
    mailing.wait()
    assert all("https://beatra.example" in message.body and "evil" not in message.body for message in mail.outbox)


@pytest.fixture
def no_wallets():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE wallets_wallet RENAME TO elsewhere")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE elsewhere RENAME TO wallets_wallet")


def test_no_mail_leaves_when_the_sign_up_is_undone(no_wallets):
    """The wallet can't be made: no user, no account, no mail."""
    email = new_email()
    client = browser()
    client.raise_request_exception = False
    assert client.post("/accounts/signup/", {"email": email, "password1": PASSWORD}).status_code == 500
    assert not User.objects.filter(email=email).exists()
    assert mailed_to(email) == []


def test_confirming_is_undone_with_its_mail_when_the_credits_fail(settings, monkeypatch):
    settings.WELCOME_CREDITS = Decimal(0)
    email, other = new_email(), new_email()
    client, _ = sign_up(email)
    confirm(client, email)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/email/", {"action_add": "", "email": other})

    def fail(*args, **kwargs):
        raise RuntimeError("no credits today")

    client.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr("beatra_site.signup.grant_welcome", fail)
        assert confirm(client, other).status_code == 500
    assert User.objects.get(account__wallet=wallet_of(email)).email == email
    assert [message.subject for message in mailed_to(email)] == ["Confirm your email address"]
    settings.WELCOME_CREDITS = Decimal(1000)
    assert confirm(client, other).status_code == 302
    assert mailed_to(email)[-1].subject == "Your email address was changed"
