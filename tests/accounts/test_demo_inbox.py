"""The demo's mail on a page: there in the demo, for this machine's browser, and nowhere else."""

from __future__ import annotations

import uuid

import pytest
from django.core.mail import EmailMessage, get_connection
from django.test import Client

from tests.browsing import browser, read, text
from tests.factories import PASSWORD

FILES = "django.core.mail.backends.filebased.EmailBackend"


@pytest.fixture
def folder(settings, tmp_path):
    settings.SANDBOX = True
    settings.EMAIL_BACKEND = FILES
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    return settings.EMAIL_FILE_PATH


def send(*subjects, body="Look: http://127.0.0.1:8000/accounts/login/"):
    with get_connection(FILES) as connection:
        for subject in subjects:
            EmailMessage(subject, body, "beatra <no-reply@beatra.example>", ["ann@example.com"], connection=connection).send()


def test_it_is_empty_before_the_first_mail(folder):
    assert "No mail yet." in text(browser().get("/demo/inbox"))


def test_it_shows_mails_newest_first_with_links_to_click(folder):
    send("Letter 1", "Letter 2 ü")
    send("Letter 3")
    page = browser().get("/demo/inbox")
    words = text(page)
    assert words.index("Letter 3") < words.index("Letter 2 ü") < words.index("Letter 1")
    assert read(page).links.count("http://127.0.0.1:8000/accounts/login/") == 3


def test_a_mail_is_text_never_markup(folder):
    send("<script>alert(1)</script>", body="<img src=x onerror=alert(1)>")
    page = browser().get("/demo/inbox")
    assert read(page).inline == []
    assert b"<img src=x" not in page.content


def test_the_page_after_signing_up_leads_there(folder, committed):
    client = browser()
    client.post("/accounts/signup/", {"email": f"{uuid.uuid4().hex}@example.com", "password1": PASSWORD})
    assert "/demo/inbox" in read(client.get("/accounts/confirm-email/")).links


@pytest.mark.parametrize(
    "request_of",
    [
        {"REMOTE_ADDR": "203.0.113.7"},
        {"REMOTE_ADDR": "127.0.0.1", "headers": {"host": "beatra.example"}},
        {"REMOTE_ADDR": "127.0.0.1", "headers": {"host": "localhost", "x-forwarded-for": "203.0.113.7"}},
    ],
)
def test_it_is_not_there_for_others(folder, settings, request_of):
    settings.ALLOWED_HOSTS = ["*"]
    send("secret")
    response = Client(**request_of).get("/demo/inbox")
    assert (response.status_code, b"secret" in response.content) == (404, False)


@pytest.mark.parametrize("change", [{"SANDBOX": False}, {"EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend"}])
def test_it_is_not_there_outside_the_demo(folder, settings, change):
    for name, value in change.items():
        setattr(settings, name, value)
    assert browser().get("/demo/inbox").status_code == 404
