"""The wallet as people use it: buying credits at the sandbox's checkout and back, a voucher, the ledger; by htmx, or plain on a phone."""

from __future__ import annotations

import re
from decimal import Decimal

import httpx
import pytest
from playwright.sync_api import expect

from tests.factories import StaffFactory
from wallets.vouchers import vouchers


@pytest.fixture
def voucher(committed):
    """A code for 500 credits."""
    return vouchers.make(credits=Decimal(500), codes=1, uses=1, expires_at=None, note="a test's", actor=StaffFactory()).codes[0]


@pytest.mark.parametrize("options", [{}, {"javascript": False, "width": 360}], ids=["htmx", "plain, on a phone"])
def test_credits_are_bought_and_stand_in_the_ledger_with_a_receipt(visitor, options):
    ann = visitor(**options)
    ann.sign_up()
    page = ann.page
    page.get_by_role("navigation").get_by_role("link", name="Wallet").click()
    page.get_by_role("button", name="Add credits").click()
    expect(page.get_by_label("Amount in USD")).to_be_hidden()
    page.get_by_label("Another amount").check()
    page.get_by_label("Amount in USD").fill("12.50")
    assert ann.overflow() <= 0
    page.get_by_role("button", name="Continue to payment").click()

    page.get_by_role("button", name=re.compile("Pay")).click()
    arrived = page.get_by_text("12,500.0000 credits were added, and your balance is 13,500.0000.")
    if options:
        for _ in range(100):
            if arrived.is_visible():
                break
            page.get_by_role("link", name="See whether it is here").click()
    expect(arrived).to_be_visible()
    assert ann.overflow() <= 0

    page.get_by_role("link", name="Open the receipt").click()
    expect(page.get_by_text("12.50 USD × 1,000 = 12,500.0000")).to_be_visible()
    assert ann.overflow() <= 0
    ann.open("/wallet/")
    rows = page.locator("#ledger-rows tr")
    expect(rows).to_have_count(2)
    page.get_by_label("Entries", exact=True).select_option("Credits bought")
    page.get_by_role("button", name="Apply").click()
    expect(rows).to_have_count(1)
    expect(page).to_have_url(f"{ann.url}/wallet/?kind=topup")
    rows.get_by_role("link", name="Credits bought").click()
    page.get_by_role("heading", name="Receipt").wait_for()


def test_who_leaves_the_payment_finds_the_way_back_to_it(visitor):
    ann = visitor()
    ann.sign_up()
    page = ann.open("/wallet/add/")
    page.get_by_role("button", name="Continue to payment").click()
    page.get_by_role("button", name=re.compile("Pay")).wait_for()
    page.get_by_role("link", name=re.compile("Back|Cancel")).first.click()
    expect(page.get_by_text("You left before paying.")).to_be_visible()
    page.get_by_role("link", name="Top-ups").click()
    expect(page.get_by_text("Not paid yet")).to_be_visible()
    page.get_by_role("link", name="Go on to pay").click()
    page.get_by_role("button", name=re.compile("Pay")).wait_for()


@pytest.mark.parametrize("options", [{}, {"javascript": False, "width": 360}], ids=["htmx", "plain, on a phone"])
def test_a_voucher_is_redeemed(visitor, voucher, options):
    ann = visitor(**options)
    ann.sign_up()
    page = ann.open("/wallet/")
    page.get_by_label("Voucher code").fill(voucher.lower().replace("-", " "))
    page.keyboard.press("Enter")
    expect(page.get_by_text("The voucher is redeemed: 500.0000 credits are in your wallet.")).to_be_visible()
    expect(page.locator("#ledger-rows tr").first).to_contain_text("+500.0000")
    assert ann.overflow() <= 0


def test_an_empty_wallet_is_filled_by_way_of_the_error_and_the_call_paid(visitor, site):
    newcomer = visitor(url=site.url)
    newcomer.sign_up()
    token = newcomer.create_key("backend")

    def call():
        body = {"model": "auto", "messages": [{"role": "user", "content": "Say hi in five words."}]}
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.post(f"{newcomer.url}/v1/chat/completions", headers=headers, json=body, timeout=60)

    refused = call()
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "insufficient_balance")
    page = newcomer.open(refused.json()["error"]["details"]["topup_url"])
    page.get_by_role("radio", name="$10 10,000.0000 credits").check()
    page.get_by_role("button", name="Continue to payment").click()
    page.get_by_role("button", name=re.compile("Pay")).click()
    expect(page.get_by_text("10,000.0000 credits were added, and your balance is 10,000.0000.")).to_be_visible()
    answer = call()
    assert answer.status_code == 200
    newcomer.open("/wallet/")
    expect(page.locator("#ledger-rows tr")).to_have_count(2)
    expect(page.locator("#ledger-rows tr").first).to_contain_text(f"−{Decimal(answer.json()['usage']['credits']):.4f}")
