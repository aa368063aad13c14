"""What staff see in the admin's front page, on a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.factories import PASSWORD, StaffFactory, WalletFactory
from tests.wallets.calls import charge, hold
from wallets import holds


@pytest.fixture
def staff(committed):
    return StaffFactory(is_superuser=True).email


@pytest.fixture
def below_zero(committed):
    """The address of an account whose wallet is the lowest of all."""
    wallet = WalletFactory(balance=1)
    held = hold(wallet, 1)
    holds.place([held])
    holds.settle([charge(held, 1_000_000)])
    return wallet.account.user.email


@pytest.mark.parametrize("width", [1280, 360])
def test_the_front_page_leads_from_a_wallet_below_zero_to_its_page(visitor, staff, below_zero, width):
    ann = visitor(width=width)
    page = ann.open("/admin/")
    page.locator("[name=username]").fill(staff)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")
    expect(page.get_by_role("heading", name="To look at")).to_be_visible()
    expect(page.get_by_role("heading", name="Wallets below zero")).to_be_visible()
    assert ann.overflow() <= 0
    page.get_by_role("link", name=below_zero).click()
    expect(page).to_have_url(re.compile(r"/admin/wallets/wallet/\d+/change/$"))
    expect(page.get_by_text("-999999.0000")).to_be_visible()
