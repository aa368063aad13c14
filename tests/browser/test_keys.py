"""The life of a restricted key in a browser."""

import pytest


@pytest.mark.parametrize(("width", "javascript"), [(1280, True), (360, False)], ids=["wide", "narrow without JavaScript"])
def test_a_key_is_restricted_edited_paused_and_rotated(visitor, width: int, javascript: bool):
    owner = visitor(width=width, javascript=javascript)
    owner.sign_up("correct horse battery staple 7")
    page = owner.open("/keys/new/")
    assert not page.get_by_label("Requests per minute").is_visible()
    page.get_by_label("Name").fill("worker")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # opens the restrictions
    assert not page.get_by_label("Last day").is_visible()
    assert not page.get_by_label("Chat:").is_visible()
    page.get_by_label("Expires").select_option("In 90 days")
    page.get_by_label("Only this:").check()
    page.get_by_label("Chat:").check()
    page.get_by_label("Where it may be used from").fill("203.0.113.7\nexample.com")
    assert not page.get_by_label("Credits per month").is_visible()
    page.get_by_text("Spend caps").click()
    page.get_by_label("Credits per month").fill("12,5")
    page.get_by_role("button", name="Create the key").click()
    page.get_by_text("Line 2: “example.com” is neither").wait_for()
    page.get_by_text("Give the credits in digits").wait_for()
    assert page.get_by_label("Credits per month").input_value() == "12,5"
    page.get_by_label("Credits per month").fill("12.5")
    owner.errors.clear()  # the browser's own line about the 422
    assert page.get_by_label("Chat:").is_checked()
    assert owner.overflow() <= 0
    page.get_by_label("Where it may be used from").fill("203.0.113.7")
    page.get_by_role("button", name="Create the key").click()
    token = page.locator("#token").inner_text()
    page.get_by_role("button", name="I have copied it").click()

    page.get_by_text("Chat · 1 network · 12.5000 credits a month").wait_for()
    assert owner.overflow() <= 0
    page.get_by_role("link", name="worker", exact=True).click()
    page.get_by_text("203.0.113.7").wait_for()
    page.get_by_role("progressbar", name="0.0000 of 12.5000 credits this month").wait_for()
    assert owner.overflow() <= 0
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Everything, also what is added later").check()
    page.get_by_role("button", name="Save the changes").click()
    page.get_by_text("Some are ticked, but all is chosen").wait_for()
    owner.errors.clear()
    page.get_by_label("Chat:").uncheck()
    page.get_by_role("button", name="Save the changes").click()
    page.get_by_text("The changes are saved.").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("This key is paused").wait_for()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("is resumed").wait_for()
    page.get_by_role("button", name="Rotate").click()
    page.get_by_text("Both spend of the same caps").wait_for()
    page.get_by_label("In 1 hour").check()
    page.get_by_role("button", name="Rotate the key").click()
    assert page.locator("#token").inner_text() != token
    owner.open("/keys/").get_by_text("Replaced").wait_for()
    assert owner.overflow() <= 0
