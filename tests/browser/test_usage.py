"""Filtering the calls as people do it: the list changes in its place and the address with it, or, without JavaScript, the page."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect


def call(visitor, token, request_id):
    httpx.post(
        f"{visitor.url}/v1/chat/completions",
        headers={"Authorization": f"Bearer {token}", "X-Request-Id": request_id},
        json={"model": "auto", "messages": [{"role": "user", "content": "Say hi in five words."}]},
        timeout=60,
    ).raise_for_status()


@pytest.mark.parametrize("options", [{}, {"javascript": False, "width": 360}], ids=["htmx", "plain, on a phone"])
def test_a_call_is_found_and_its_receipt_leads_back(visitor, options):
    ann = visitor(**options)
    ann.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ann.sign_up()
    token = ann.create_key("backend")
    for request_id in ("order-7", "order-8"):
        call(ann, token, request_id)
    page = ann.open("/usage/")
    rows = page.locator("#usage-rows tr")
    expect(rows).to_have_count(2)

    page.get_by_label("Outcome").select_option("Complete")
    page.get_by_label("Request, call or task id").fill("order-7")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Remove the filter Request, call or task id: order-7")).to_be_visible()
    expect(rows).to_have_count(1)
    if not options:
        expect(page).to_have_url(f"{ann.url}/usage/?outcome=complete&id=order-7")
        assert page.evaluate("document.activeElement.id") == "filter-id", "the focus stays where it was"
    assert ann.overflow() <= 0

    rows.get_by_role("link").click()
    expect(page.get_by_text("order-7")).to_be_visible()
    assert ann.overflow() <= 0
    if not options:
        page.get_by_role("button", name="Copy the request id").click()
        assert page.evaluate("navigator.clipboard.readText()") == "order-7"
    page.get_by_role("link", name="Back to the filtered calls").click()
    expect(rows).to_have_count(1)

    page.get_by_role("link", name="Clear all").click()
    expect(rows).to_have_count(2)
    page.go_back()
    expect(rows).to_have_count(1)
    expect(page.get_by_role("textbox", name="Request, call or task id")).to_have_value("order-7")


def test_the_ends_of_a_period_are_asked_for_where_they_count(visitor):
    ann = visitor()
    ann.sign_up()
    call(ann, ann.create_key("backend"), "order-7")
    page = ann.open("/usage/")
    begin = page.get_by_label("From (UTC)")
    expect(begin).to_be_hidden()
    page.get_by_label("Period (UTC)").select_option("From – to")
    begin.fill("2020-01-01T00:00")
    page.get_by_label("To (UTC)").fill("2020-01-02T00:00")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("No call matches these filters.")).to_be_visible()
    expect(page.get_by_text("From 2020-01-01 00:00 to 2020-01-02 00:00 UTC")).to_be_visible()
    expect(begin).to_have_value("2020-01-01T00:00")
