"""Signing in as people do it: by a code, by a password, by keyboard, on a phone and on a desk."""

from __future__ import annotations

from playwright.sync_api import expect

PASSWORD = "correct horse battery staple"


def test_a_code_signs_in_and_a_password_can_be_set_with_it(visitor):
    ann = visitor(width=360)
    ann.sign_up()
    page = ann.page
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("navigation").get_by_role("link", name="Sign in").click()
    page.get_by_label("Email").fill(ann.email)
    page.get_by_role("button", name="Email me a code instead").click()
    ann.enter_code()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()

    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="Set one").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_text("Your new password is saved.")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("navigation").get_by_role("link", name="Sign in").click()
    # from here by keyboard alone
    expect(page.get_by_label("Email")).to_be_focused()
    page.keyboard.type(ann.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


def test_every_page_fits_every_window_and_breaks_no_policy(visitor):
    """That no console speaks up on any of them is held by the fixture."""
    somebody = visitor()
    strangers = ("/", "/accounts/login/", "/accounts/signup/", "/accounts/login/code/", "/accounts/password/reset/")
    own = ("/", "/keys/", "/keys/new/", "/usage/", "/account/", "/accounts/email/", "/accounts/password/change/")
    asked_again = ("/accounts/reauthenticate/", "/accounts/reauthenticate/code/", "/accounts/logout/", "/demo/inbox")

    def look_at(*paths):
        for path in paths:
            page = somebody.open(path)
            for width in (1280, 360):
                page.set_viewport_size({"width": width, "height": 900})
                assert somebody.overflow() == 0, (path, width)

    look_at(*strangers)
    somebody.sign_up(password=PASSWORD)
    look_at(*own, *asked_again)
