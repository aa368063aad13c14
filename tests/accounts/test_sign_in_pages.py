"""Every page of `/accounts/`, in every state a customer can bring it to: ours in looks, and usable by whatever means."""

from __future__ import annotations

import uuid
from html.parser import HTMLParser

import pytest

from accounts import sign_in_urls
from tests.browsing import browser, mailed_code, read, sign_in
from tests.factories import PASSWORD, AccountFactory, WalletFactory

pytestmark = pytest.mark.usefixtures("committed")

AUTOCOMPLETE = {
    "login": {"username"},
    "email": {"username", "email"},
    "code": {"one-time-code"},
    "password": {"current-password"},
    "oldpassword": {"current-password"},
    "password1": {"new-password"},
}


def pages():
    """Paths with the pages they answer, as a stranger and a customer come across them; pages with mistakes in them too."""
    user = WalletFactory(account=AccountFactory()).account.user
    met = {}

    def meet(client, path, data=None):
        response = client.post(path, data) if data is not None else client.get(path)
        assert response.status_code == 200, (path, response.status_code)
        met.setdefault(path.removeprefix("/accounts/"), []).append(response)

    def ask(client, path, data, leads_to):
        assert client.post(path, data).headers["Location"] == leads_to

    for path in ("login/", "signup/", "inactive/", "login/code/", "password/reset/", "password/reset/done/"):
        meet(browser(), f"/accounts/{path}")
    for path in ("login/", "signup/", "login/code/", "password/reset/"):
        meet(browser(), f"/accounts/{path}", {})
    meet(browser(), "/accounts/login/", {"login": user.email, "password": "wrong"})

    newcomer = browser()
    ask(newcomer, "/accounts/signup/", {"email": f"{uuid.uuid4().hex}@example.com", "password1": PASSWORD}, "/accounts/confirm-email/")
    meet(newcomer, "/accounts/confirm-email/")
    meet(newcomer, "/accounts/confirm-email/", {"code": "0"})

    by_code = browser()
    ask(by_code, "/accounts/login/code/", {"email": user.email}, "/accounts/login/code/confirm/")
    meet(by_code, "/accounts/login/code/confirm/")
    meet(by_code, "/accounts/login/code/confirm/", {"code": "0"})

    forgetful = browser()
    ask(forgetful, "/accounts/password/reset/", {"email": user.email}, "/accounts/password/reset/confirm/")
    meet(forgetful, "/accounts/password/reset/confirm/")
    meet(forgetful, "/accounts/password/reset/confirm/", {"code": "0"})
    ask(forgetful, "/accounts/password/reset/confirm/", {"code": mailed_code(user.email)}, "/accounts/password/reset/complete/")
    meet(forgetful, "/accounts/password/reset/complete/")
    meet(forgetful, "/accounts/password/reset/complete/", {"password1": "short"})

    customer = sign_in(user.email)
    for path in ("logout/", "reauthenticate/", "email/", "password/change/", "reauthenticate/code/", "password/reset/done/"):
        meet(customer, f"/accounts/{path}")
    meet(customer, "/accounts/reauthenticate/", {"password": "wrong"})
    meet(customer, "/accounts/email/", {"action_add": "", "email": user.email})
    meet(customer, "/accounts/password/change/", {"oldpassword": "wrong", "password1": "short"})
    customer.post("/accounts/reauthenticate/code/", {"action": "send"})
    meet(customer, "/accounts/reauthenticate/code/")
    meet(customer, "/accounts/reauthenticate/code/", {"code": "0"})

    ask(by_code, "/accounts/login/code/confirm/", {"code": mailed_code_to_sign_in(user, by_code)}, "/")
    user.set_unusable_password()
    user.save()
    bare = browser()
    bare.post("/accounts/login/code/", {"email": user.email})
    bare.post("/accounts/login/code/confirm/", {"code": mailed_code(user.email)})
    meet(bare, "/accounts/password/set/")
    meet(bare, "/accounts/password/set/", {"password1": "short"})
    return met


def mailed_code_to_sign_in(user, client):
    client.post("/accounts/login/code/confirm/", {"action": "resend"})
    return mailed_code(user.email)


class Fields(HTMLParser):
    """The inputs people fill in, the labels and the ids of a page, and what has the focus."""

    def __init__(self, response):
        super().__init__()
        self.inputs, self.labels, self.ids = [], set(), set()
        self.feed(response.content.decode())

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "label":
            self.labels.add(given.get("for"))
        if tag == "input" and given.get("type") != "hidden" and "hidden" not in given:
            self.inputs.append(given)


def paths(patterns):
    for pattern in patterns:
        yield from paths(pattern.url_patterns) if hasattr(pattern, "url_patterns") else [str(pattern.pattern)]


def test_every_page_of_signing_in_is_ours_and_usable():
    met = pages()
    assert set(paths(sign_in_urls.urlpatterns)) == set(met), "a page that this test does not open"
    for path, responses in met.items():
        for response in responses:
            html = response.content.decode()
            assert read(response).inline == [], path
            assert html.count("<h1") == 1, path
            assert '<a class="skip-link" href="#main">' in html, path
            assert '<article class="narrow">' in html, path
            fields = Fields(response)
            assert sum("autofocus" in one for one in fields.inputs) <= 1, path
            for one in fields.inputs:
                assert one["id"] in fields.labels, (path, one)
                assert one["autocomplete"] in AUTOCOMPLETE[one["name"]], (path, one)
                assert set(one.get("aria-describedby", "").split()) <= fields.ids, (path, one)
                assert one["name"] != "code" or one["inputmode"] == "numeric"
                if one.get("aria-invalid"):
                    assert f"{one['id']}_error" in one["aria-describedby"].split(), (path, one)
                    assert "autofocus" in one or sum("aria-invalid" in other for other in fields.inputs) > 1, (path, one)


def test_a_page_with_no_code_to_enter_leads_to_the_start_and_says_why():
    for path, start in (
        ("login/code/confirm/", "/accounts/login/code/"),
        ("confirm-email/", "/accounts/login/"),
        ("password/reset/confirm/", "/accounts/login/"),
        ("password/reset/complete/", "/accounts/password/reset/"),
    ):
        response = browser().get(f"/accounts/{path}", follow=True)
        assert response.redirect_chain == [(start, 302)]
        assert "has expired or was used before" in response.content.decode()
