"""The journey of a newcomer: sign up, confirm, make a key, run the command of the page, see the call arrive, read its receipt."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import openai
import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor


def run_the_command(visitor: Visitor) -> Any:
    """What the page says to run in a terminal, as it stands. The answer."""
    command = visitor.page.locator("pre", has_text="curl").inner_text()
    return json.loads(subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout)


def test_from_sign_up_to_the_receipt(visitor):
    ann = visitor()
    ann.sign_up(password="correct horse battery staple")
    page = ann.page
    expect(page.get_by_text("Welcome: 1000.0000 credits are in your wallet.")).to_be_visible()

    token = ann.create_key("my first program")
    expect(page.get_by_text("Waiting for your first call…")).to_be_visible()
    home = ann.context.new_page()
    home.goto("/")
    expect(home.get_by_text("Waiting for your first call…")).to_be_visible()
    with openai.OpenAI(base_url=f"{ann.url}/v1", api_key=token) as client, pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="MiniMax-M2.7", messages=[{"role": "user", "content": "[[status=400]]"}])
    expect(page.get_by_text("Received, but it failed: nothing was charged.")).to_be_visible()
    credits = run_the_command(ann)["usage"]["credits"]
    expect(page.get_by_text(f"Received: {credits} credits.")).to_be_visible()
    expect(page.locator("#token")).to_have_text(token)
    expect(home.get_by_text(f"Received: {credits} credits.")).to_be_visible()

    with ann.context.expect_page() as opened:
        page.get_by_role("link", name="See the receipt").click()
    expect(page.locator("#token")).to_have_text(token)
    page = opened.value
    expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    expect(page.locator(".figures .figure").first).to_have_text(credits)
    expect(page.get_by_text("my first program")).to_be_visible()
    page.get_by_role("link", name="Home").click()
    expect(page.locator(".figures .figure").first).to_have_text(f"{1000 - float(credits):.4f}")


def test_the_same_without_javascript_on_a_phone(visitor):
    ben = visitor(javascript=False, width=360)
    ben.sign_up()
    token = ben.create_key("script")
    with ben.context.expect_page() as opened:
        ben.page.get_by_role("link", name="See whether it is here").click()
    tab = opened.value
    expect(tab.get_by_text("Waiting for your first call…")).to_be_visible()

    with openai.OpenAI(base_url=f"{ben.url}/v1", api_key=token) as client:
        answer = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Say hi in five words."}])
    credits = answer.usage.model_extra["credits"]
    tab.get_by_role("link", name="Look again").click()
    expect(tab.get_by_text(f"Received: {credits} credits.")).to_be_visible()
    tab.get_by_role("link", name="See the receipt").click()
    expect(tab.locator(".figures .figure").first).to_have_text(credits)
