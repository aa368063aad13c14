"""Automatic top-ups as people set them: from no card to on, through the provider's page, with the content security policy in force."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("options", [{}, {"javascript": False, "width": 360}], ids=["wide", "plain, on a phone"])
def test_a_card_is_saved_and_automatic_top_ups_are_turned_on_and_off(visitor, options):
    ann = visitor(**options)
    ann.sign_up()
    page = ann.open("/wallet/auto")
    assert ann.overflow() <= 0
    page.get_by_role("button", name="Save a card").click()
    page.get_by_role("button", name="Save the card").click()
    expect(page.get_by_text("Your card is saved: Visa ending in 4242")).to_be_visible()
    page.get_by_label("Charge my card (USD)").fill("50")
    page.get_by_label("But in a month no more than (USD)").fill("100")
    page.get_by_role("button", name="Allow and turn on").click()
    expect(page.get_by_text("Automatic top-ups are on.")).to_be_visible()
    expect(page.get_by_label("Charge my card (USD)")).to_have_value("50.00")
    assert ann.overflow() <= 0
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("Automatic top-ups are off.")).to_be_visible()
    page.get_by_role("link", name="Remove the card").click()
    page.get_by_role("button", name="Remove the card").click()
    expect(page.get_by_text("No card is saved.")).to_be_visible()
