"""A browser of the poor: signs in, follows mails and links, reads what a page shows."""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from django.core import mail
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from beatra_site import mailing
from tests.factories import PASSWORD

_ADDRESSES = itertools.count(random.randrange(1 << 20))


def browser() -> Client:
    """A client with a loopback address of its own, so that one test's tries don't count towards another's rate limits."""
    number = next(_ADDRESSES) % (1 << 22)
    return Client(REMOTE_ADDR=f"127.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}", headers={"host": "localhost"})


def signed_in(user: User) -> Client:
    """A browser in which `user` is signed in already; whose it is stands in `.user`."""
    client = browser()
    client.force_login(user)
    client.user = user
    return client


def sign_in(email: str, password: str = PASSWORD) -> Client:
    """A browser signed in by the form, as people do it."""
    client = browser()
    response = client.post("/accounts/login/", {"login": email, "password": password})
    assert (response.status_code, response.headers.get("Location")) == (302, "/"), text(response)
    return client


def mailed_to(email: str) -> list[mail.EmailMessage]:
    mailing.wait()
    return [message for message in mail.outbox if message.to == [email]]


def code_in(text: str) -> str:
    """The code in the text of a mail."""
    (code,) = re.findall(r"^\s*(\d{4}-\d{4})\s*$", text, re.MULTILINE)
    return code


def mailed_code(email: str) -> str:
    """The code in the newest mail to this address."""
    return code_in(mailed_to(email)[-1].body)


@dataclass
class Page:
    """What there is in a page's HTML, for checks on all of it."""

    words: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._tag = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        given = {name: value or "" for name, value in attributes}
        data = given.get("type") == "application/json"
        if tag == "style" or (tag == "script" and "src" not in given and not data):
            self.page.inline.append(f"<{tag}>")
        self.page.inline += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        self.page.inline += [f"{tag} {name}" for name, value in given.items() if value.lower().startswith("javascript:")]
        self.page.links += [given[name] for name in ("href", "hx-get") if name in given and tag != "link"]
        self.page.sources += [given["src"]] if "src" in given else [given["href"]] if tag == "link" else []

    def handle_data(self, data: str) -> None:
        if self._tag not in ("script", "style"):
            self.page.words += data.split()


def read(response: HttpResponse) -> Page:
    reader = _Reader()
    reader.feed(response.content.decode())
    return reader.page


def text(response: HttpResponse) -> str:
    """The words of a page, one space between them."""
    return " ".join(read(response).words)
