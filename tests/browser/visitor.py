"""Somebody with a browser of their own, who notes whatever goes wrong on the pages they see."""

from __future__ import annotations

import re
import time
import uuid

from playwright.sync_api import Browser, ConsoleMessage, Page, Response

from tests.browsing import code_in


class Visitor:
    """`page` is the tab in front of them. `errors` are those of scripts, of the content security policy, and broken loads."""

    def __init__(self, browser: Browser, url: str, *, width: int = 1280, javascript: bool = True) -> None:
        self.url = url
        self.email = f"{uuid.uuid4().hex[:12]}@example.com"
        self.errors: list[str] = []
        self._codes: set[str] = set()
        self.context = browser.new_context(
            base_url=url,
            viewport={"width": width, "height": 900},
            java_script_enabled=javascript,
        )
        self.context.set_default_timeout(15_000)
        self.context.on("console", self._console)
        self.context.on("response", self._response)
        self.context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self.page: Page = self.context.new_page()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.page.url if message.page else ''}: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.status} {response.url}")

    def open(self, path: str) -> Page:
        self.page.goto(path)
        return self.page

    def mailed_code(self) -> str:
        """The code in the mail that has come last, read in the demo's inbox in another tab. Mail takes its time."""
        tab = self.context.new_page()
        deadline = time.monotonic() + 15
        while True:
            tab.goto("/demo/inbox")
            mails = tab.locator("article", has_text=self.email).locator(".mail-text", has_text=re.compile(r"\d{4}-\d{4}")).all_inner_texts()
            new = [code for code in map(code_in, mails) if code not in self._codes]
            if new:
                break
            assert time.monotonic() < deadline, "no mail"
        tab.close()
        self._codes.add(new[0])
        return new[0]

    def enter_code(self) -> None:
        field = self.page.get_by_label("Code")
        field.wait_for()
        field.fill(self.mailed_code())
        field.press("Enter")

    def sign_up(self, password: str = "") -> None:
        """From the first page to the home of a new account."""
        page = self.open("/")
        page.get_by_role("main").get_by_role("button", name="Sign up").click()
        page.get_by_label("Email").fill(self.email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign up").click()
        page.get_by_role("heading", name="Confirm your email").wait_for()
        self.enter_code()
        page.get_by_role("heading", name="Home").wait_for()

    def create_key(self, name: str) -> str:
        """From home to the page that shows a key once. The key."""
        self.page.get_by_role("link", name="Create an API key").click()
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_role("button", name="Create the key").click()
        return self.page.locator("#token").inner_text()

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return width

    def leave(self) -> None:
        self.context.close()
