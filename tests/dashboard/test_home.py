"""The first page: for strangers, for a new customer, for one with calls, and when something is wrong."""

from __future__ import annotations

import pytest

from tests.browsing import browser, read, text
from tests.factories import AccountFactory, ApiKeyFactory, WalletFactory
from tests.wallets.calls import charge, hold
from wallets import holds

pytestmark = pytest.mark.django_db


def signed_in(account):
    client = browser()
    client.force_login(account.user)
    return client


def test_a_stranger_reads_what_it_is_and_how_to_begin(settings):
    settings.SITE_URL = "https://api.example"
    page = browser().get("/")
    assert page.status_code == 200
    assert 'BEATRA_BASE_URL="https://api.example/v1"' in text(page)
    assert {"/accounts/signup/", "/accounts/login/"} <= set(read(page).links)


def test_a_new_customer_is_led_to_the_first_call():
    account = WalletFactory(balance="1000").account
    page = signed_in(account).get("/")
    assert "Your email address is confirmed." in text(page)
    assert "Create an API key" in text(page)
    assert "/keys/new/" in read(page).links
    key = ApiKeyFactory(account=account, name="backend")
    page = signed_in(account).get("/")
    assert "You have an API key, “backend”." in text(page)
    assert f"/first-call/{key.pk}/" in read(page).links


def test_whose_address_is_not_confirmed_is_sent_there_first():
    account = AccountFactory(user__verified=False)
    WalletFactory(account=account)
    page = signed_in(account).get("/")
    assert "Confirm your email address" in text(page)
    assert "/accounts/email/" in read(page).links
    assert "/keys/new/" not in read(page).links


def test_balance_available_and_held_are_three_figures():
    wallet = WalletFactory(balance="1234.5")
    holds.place([hold(wallet, "13.2001"), hold(wallet, "1")])
    words = text(signed_in(wallet.account).get("/"))
    assert "Available 1,220.2999" in words
    assert "Balance 1,234.5000" in words
    assert "Held 14.2001 set aside for 2 calls in flight" in words


def test_the_last_five_calls_are_there_with_their_cost_and_receipt():
    wallet = WalletFactory(balance="100")
    calls = [hold(wallet, "5", key_name="backend", model="MiniMax-M2.7") for _ in range(6)]
    for number, call in enumerate(calls):
        holds.place([call])
        holds.settle([charge(call, f"{number}.0001")])
    page = signed_in(wallet.account).get("/")
    receipts = [link for link in read(page).links if link.startswith("/usage/chatcmpl_")]
    assert receipts == [f"/usage/{call.usage_id}/" for call in reversed(calls[1:])]
    assert "5.0001" in text(page)
    assert "0.0001" not in text(page)


@pytest.mark.parametrize(("status", "told"), [("suspended", "Your account is suspended."), ("closed", "This account is closed.")])
def test_an_account_that_does_not_work_is_told_so(status, told):
    account = AccountFactory(status=status)
    WalletFactory(account=account, balance="5")
    assert told in text(signed_in(account).get("/"))


def test_an_empty_wallet_is_told_so_and_a_full_one_is_not():
    assert "Your wallet is empty." in text(signed_in(WalletFactory().account).get("/"))
    assert "Your wallet is empty." not in text(signed_in(WalletFactory(balance="1").account).get("/"))
