"""What holds for every page: who may see it, its security headers, no inline code, no dead link."""

from __future__ import annotations

from urllib.parse import urldefrag, urljoin

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from beatra_site.csp import CUSTOMER_POLICY
from tests.browsing import browser, read, text
from tests.factories import ApiKeyFactory
from tests.wallets.calls import charge, hold
from wallets import holds

pytestmark = pytest.mark.django_db
OWN_PAGES = (
    "/music/",
    "/tasks/",
    "/uploads/",
    "/usage/",
    "/wallet/",
    "/wallet/add/",
    "/wallet/top-ups/",
    "/keys/",
    "/account/",
    "/accounts/email/",
    "/accounts/password/change/",
)
OPEN_PAGES = (
    "/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/confirm-email/",
    "/accounts/inactive/",
)


@pytest.fixture
def owner():
    """The browser of a customer with a key, a finished call and a running one."""
    key = ApiKeyFactory()
    wallet = key.account.wallet
    for call in (hold(wallet, "0", key_name="backend"), hold(wallet, "0")):
        holds.place([call])
    holds.settle([charge(call, "0")])
    client = browser()
    client.force_login(key.account.user)
    return client


def crawl(client: Client, *starts: str) -> dict[str, object]:
    """Every page reached from `starts` by links, and every source of theirs, with its answer."""
    found: dict[str, object] = {}
    waiting = list(starts)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        response = found[path] = client.get(path)
        if response.status_code in (301, 302):
            waiting.append(response.headers["Location"])
        elif "html" in response.headers["Content-Type"]:
            page = read(response)
            urls = (urldefrag(urljoin(f"http://localhost{path}", url)).url for url in [*page.links, *page.sources])
            waiting += [url.removeprefix("http://localhost") for url in urls if url.startswith("http://localhost/")]
    return found


def test_no_link_of_a_customer_is_dead(owner):
    pages = crawl(owner, "/")
    assert {"/usage/", "/wallet/", "/keys/", "/account/", "/accounts/email/"} <= set(pages)
    assert any(path.startswith("/usage/chatcmpl_") for path in pages)
    assert any(path.startswith("/static/") for path in pages)
    assert {path: page.status_code for path, page in pages.items() if page.status_code >= 400} == {}


def test_no_link_of_a_stranger_is_dead():
    pages = crawl(browser(), *OPEN_PAGES)
    assert {path: page.status_code for path, page in pages.items() if page.status_code >= 400} == {}


def test_no_page_has_inline_code_and_every_page_its_policy(owner):
    pages = {**crawl(owner, "/"), **{f"stranger {path}": page for path, page in crawl(browser(), *OPEN_PAGES, "/nothing/").items()}}
    html = {path: page for path, page in pages.items() if "html" in page.headers.get("Content-Type", "")}
    assert len(html) > 15
    for path, page in html.items():
        assert read(page).inline == [], path
        assert page.headers["Content-Security-Policy"] == CUSTOMER_POLICY, path
        assert page.headers["X-Content-Type-Options"] == "nosniff", path
        assert page.headers["X-Frame-Options"] == "DENY", path
        assert page.headers["Referrer-Policy"] == "same-origin", path


def test_the_policy_lets_in_nothing_from_elsewhere_and_nothing_inline():
    assert "unsafe" not in CUSTOMER_POLICY
    for part in ("default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"):
        assert part in CUSTOMER_POLICY.split("; ")


def test_forms_go_to_ourselves_and_to_the_checkout_alone():
    (sources,) = [part.split()[1:] for part in CUSTOMER_POLICY.split("; ") if part.startswith("form-action ")]
    assert sources == ["'self'", settings.SANDBOX_URL]


@pytest.mark.parametrize("path", [*OWN_PAGES, "/usage/chatcmpl_x/"])
def test_a_stranger_is_sent_to_sign_in(path):
    response = browser().get(path)
    assert (response.status_code, response.headers["Location"]) == (302, f"/accounts/login/?next={path}")


@pytest.mark.parametrize("path", OWN_PAGES)
def test_the_owner_sees_it(owner, path):
    assert owner.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/usage/", "/account/"])
def test_pages_that_only_show_take_no_post(owner, path):
    assert owner.post(path).status_code == 405


def test_every_page_can_be_used_by_keyboard_and_has_one_heading(owner):
    for path in ("/", *OWN_PAGES):
        html = owner.get(path).content.decode()
        assert '<a class="skip-link" href="#main">' in html, path
        assert html.count("<h1") == 1, path
        assert '<html lang="en">' in html, path


def test_a_form_without_its_token_gets_a_page_that_says_what_to_do():
    client = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    response = client.post("/accounts/login/", {"login": "a@example.com", "password": "x"})
    assert response.status_code == 403
    assert "Please try again" in text(response)
    assert response.headers["Content-Security-Policy"] == CUSTOMER_POLICY


def test_a_crash_gets_the_static_page_that_says_so(owner):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE wallets_usagerecord RENAME TO elsewhere")
    owner.raise_request_exception = False
    response = owner.get("/")
    assert response.status_code == 500
    assert "Something went wrong" in text(response)
    assert b"wallets_usagerecord" not in response.content
    assert crawl(owner, *read(response).sources)
    assert read(response).inline == []


def test_too_many_tries_get_a_page_that_says_so():
    client = browser()
    answers = [client.post("/accounts/signup/", {}).status_code for _ in range(21)]
    assert answers == [200] * 20 + [429]
    assert "Too many tries" in text(client.post("/accounts/signup/", {}))


def test_cookies_are_kept_from_scripts_and_other_sites(settings):
    client = browser()
    response = client.get("/accounts/login/")
    cookie = response.cookies[settings.CSRF_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.SESSION_COOKIE_SAMESITE == "Lax"
