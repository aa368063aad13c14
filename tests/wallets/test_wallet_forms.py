"""What a customer does on the wallet page: redeem a voucher, and choose when to be mailed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts.models import Event
from tests.browsing import browser, read, signed_in, text
from tests.factories import StaffFactory, WalletFactory
from wallets.models import Voucher, Wallet
from wallets.vouchers import vouchers

pytestmark = pytest.mark.django_db
PAGE, REDEEM, LOW = "/wallet/", "/wallet/voucher/", "/wallet/low-balance/"


@pytest.fixture
def wallet():
    return WalletFactory(balance=5)


@pytest.fixture
def owner(wallet):
    return signed_in(wallet.account.user)


def a_code(**fields):
    given = {"credits": Decimal(1000), "codes": 1, "uses": 1, "expires_at": None, "note": "a test's", "actor": StaffFactory(), **fields}
    return vouchers.make(**given).codes[0]


def fresh(wallet):
    return Wallet.objects.get(pk=wallet.pk)


@pytest.mark.parametrize("path", [REDEEM, LOW])
def test_a_stranger_is_sent_to_sign_in_and_comes_back_to_the_page(path, owner):
    for response in (browser().post(path, {"code": a_code()}), browser().get(path)):
        assert (response.status_code, response.headers["Location"]) == (302, f"/accounts/login/?next={path}")
    assert not Voucher.objects.filter(used__gt=0).exists()
    assert owner.get(path).headers["Location"] == PAGE


def test_a_voucher_is_redeemed_and_said_to_be(owner, wallet):
    page = owner.post(REDEEM, {"code": a_code().lower()}, follow=True)
    assert "The voucher is redeemed: 1,000.0000 credits are in your wallet." in text(page)
    assert "Voucher +1,000.0000 1,005.0000" in text(page)
    assert fresh(wallet).balance == 1005


def test_a_refused_code_stays_in_its_field_beside_the_reason(owner, wallet):
    code = a_code()
    owner.post(REDEEM, {"code": code})
    response = owner.post(REDEEM, {"code": code})
    assert response.status_code == 409
    assert "You have redeemed this voucher already" in text(response)
    assert f'value="{code}"' in response.content.decode()
    assert "Ledger" in text(response)
    assert fresh(wallet).balance == 1005


def test_nothing_and_far_too_much_are_told_apart_from_wrong_codes(owner):
    assert owner.post(REDEEM, {"code": " "}).status_code == 422
    assert "longer than a voucher code" in text(owner.post(REDEEM, {"code": "7" * 101}))
    assert "There is no such voucher." in text(owner.post(REDEEM, {"code": "<b>no</b>"}))


@pytest.mark.parametrize("away", [False, True], ids=["", "while Redis is away"])
def test_guessing_is_stopped_for_the_account_and_a_right_code_does_not_help_then(owner, wallet, settings, away):
    if away:
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}}
    for number in range(10):
        assert owner.post(REDEEM, {"code": f"guess {number}"}).status_code == 409
    refused = owner.post(REDEEM, {"code": a_code()})
    assert refused.status_code == 429
    assert "Too many codes were tried." in text(refused)
    assert fresh(wallet).balance == 5
    elsewhere = signed_in(wallet.account.user)
    assert elsewhere.post(REDEEM, {"code": a_code()}).status_code == 429
    assert signed_in(WalletFactory().account.user).post(REDEEM, {"code": a_code()}).status_code == 302


def test_guessing_is_stopped_for_the_address_whoever_signs_in_from_it():
    address = browser()
    for _ in range(3):
        address.force_login(WalletFactory().account.user)
        for number in range(10):
            assert address.post(REDEEM, {"code": f"guess {number}"}).status_code == 409
    address.force_login(WalletFactory().account.user)
    assert address.post(REDEEM, {"code": a_code()}).status_code == 429


def test_a_threshold_is_set_shown_changed_and_taken_back(owner, wallet):
    page = owner.post(LOW, {"credits": "250.5"}, follow=True)
    assert "You get an email when your balance is below 250.5000 credits." in text(page)
    assert 'value="250.5"' in page.content.decode()
    assert fresh(wallet).low_balance_credits == Decimal("250.5")
    owner.post(LOW, {"credits": "250.50"})
    owner.post(LOW, {"credits": ""})
    assert fresh(wallet).low_balance_credits is None
    told = [
        event.data["credits"] for event in Event.objects.filter(account=wallet.account, kind="wallet.low_balance_mail_set").order_by("id")
    ]
    assert told == ["250.5000", None]


@pytest.mark.parametrize("credits", ["0", "-1", "x", "0.00001", "1e30", "NaN", "Infinity"])
def test_what_is_no_threshold_is_refused_and_stays_to_be_mended(owner, wallet, credits):
    response = owner.post(LOW, {"credits": credits})
    assert response.status_code == 422
    assert f'value="{credits}"' in response.content.decode()
    assert fresh(wallet).low_balance_credits is None


def test_the_answers_hold_no_inline_code(owner):
    for response in (owner.post(REDEEM, {"code": ""}), owner.post(LOW, {"credits": "x"})):
        assert read(response).inline == []
