"""The page of uploads, and the file that is sent from its form: streamed, limited, and meant by its sender."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings
from django.core.signing import TimestampSigner

from accounts.models import Account
from contract import limits
from tasks_app.models import Artifact
from tasks_app.uploads.from_browser import token
from tests.browsing import browser, read, signed_in, text
from tests.factories import WalletFactory
from tests.tasks_app.media_files import SCRIPT, mp3, wav
from tests.tasks_app.states import HOUR, stored

PAGE, SEND = "/uploads/", "/uploads/send"


def upload(wallet, **fields):
    return stored(None, account=wallet.account, kind="upload", **{"filename": "theme.mp3", **fields})


@pytest.mark.django_db
def test_a_stranger_is_sent_to_sign_in_and_anothers_upload_is_none():
    mine = upload(WalletFactory(balance=1))
    assert browser().get(PAGE).headers["Location"] == f"/accounts/login/?next={PAGE}"
    other = signed_in(WalletFactory().account.user)
    assert "theme.mp3" not in text(other.get(f"{PAGE}?sent={mine.pk}"))
    assert other.get(f"{PAGE}{mine.pk}/delete").status_code == other.post(f"{PAGE}{mine.pk}/delete").status_code == 404
    assert Artifact.objects.get(pk=mine.pk).is_stored


@pytest.mark.django_db
def test_it_lists_what_is_kept_and_how_much_of_the_share_that_is():
    wallet = WalletFactory(balance=1)
    Account.objects.filter(pk=wallet.account.pk).update(stored_bytes=8000, stored_uploads=10)
    kept = upload(wallet)
    upload(wallet, filename="old.mp3", expires_at=kept.created_at - HOUR)
    upload(wallet, filename="cover.png", media_type="image", mime_type="image/png", duration_seconds=None, size_bytes=3000)
    shown = signed_in(wallet.account.user).get(PAGE)
    words = text(shown)
    assert "6.8 KB of 7.8 KB, 2 of 10 files" in words
    assert 'value="88"' in shown.content.decode()
    assert "audio/mpeg 3.9 KB 24.5 s" in words
    assert "cover.png" in words
    assert "old.mp3" not in words
    assert [link for link in read(shown).links if "reference=" in link] == [f"/music/?reference={kept.pk}"]
    assert len([source for source in read(shown).sources if source.startswith("/files/")]) == 1
    assert read(shown).inline == []


@pytest.mark.django_db
def test_one_is_deleted_once_that_is_confirmed():
    wallet = WalletFactory(balance=1)
    owner, kept = signed_in(wallet.account.user), upload(wallet)
    assert f"{PAGE}{kept.pk}/delete" in read(owner.get(PAGE)).links
    asks = text(owner.get(f"{PAGE}{kept.pk}/delete"))
    assert "Delete the upload? theme.mp3" in asks
    assert Artifact.objects.get(pk=kept.pk).is_stored
    assert "theme.mp3 is deleted." in text(owner.post(f"{PAGE}{kept.pk}/delete", follow=True))
    assert not Artifact.objects.get(pk=kept.pk).is_stored
    assert owner.post(f"{PAGE}{kept.pk}/delete").status_code == 404


@pytest.mark.django_db
def test_words_of_somebody_elses_are_not_shown():
    owner = signed_in(WalletFactory(balance=1).account.user)
    forged = TimestampSigner(salt="another").sign("Call this number")
    assert "Call this number" not in text(owner.get(PAGE, {"refused": forged}))


@pytest.mark.django_db
def test_a_suspended_account_keeps_none():
    wallet = WalletFactory(balance=1)
    Account.objects.filter(pk=wallet.account.pk).update(status="suspended")
    assert SEND not in signed_in(wallet.account.user).get(PAGE).content.decode()


class Sender:
    """Somebody who is signed in at the running site. `token` is what the form's address has."""

    def __init__(self, site, *, balance=1000):
        self.wallet = WalletFactory(balance=balance)
        self.client = signed_in(self.wallet.account.user)
        self.token = token(self.client.user)
        self.cookie = self.client.cookies[settings.SESSION_COOKIE_NAME].value
        self.cookie_name = f"session{urlsplit(site.url).port}"
        self.http = httpx.Client(base_url=site.url, timeout=60)

    def send(self, data=b"", *, token=None, cookie=None, **options):
        headers = {"Cookie": f"{self.cookie_name}={self.cookie if cookie is None else cookie}", "Accept": "text/html"}
        given = {"files": {"file": ("theme.mp3", data)}, **options}
        return self.http.post(SEND, params={"token": self.token if token is None else token}, headers=headers, **given)

    def told(self, answer):
        """What the page says to which the answer leads."""
        assert answer.status_code == 303
        return text(self.client.get(answer.headers["Location"]))

    @property
    def kept(self):
        return list(Artifact.objects.of_account(self.wallet.account))


@pytest.fixture
def sender(site, committed):
    made = []

    def make(**options):
        made.append(Sender(site, **options))
        return made[-1]

    yield make
    for one in made:
        one.http.close()


def test_a_file_is_kept_and_its_page_says_so(sender):
    ann = sender()
    words = ann.told(ann.send(mp3(2)))
    (kept,) = ann.kept
    assert (kept.kind, kept.filename, kept.mime_type) == ("upload", "theme.mp3", "audio/mpeg")
    assert "theme.mp3 is kept. Use it as reference" in words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty."),
        (SCRIPT, "image, audio or video"),
        (b"x" * (limits.UPLOAD + 1), "The file is over the limit of 100 MiB."),
    ],
    ids=["empty", "html", "too large"],
)
def test_what_is_not_kept_is_told_why(sender, data, words):
    ann = sender()
    assert words in ann.told(ann.send(data))
    assert ann.kept == []


def test_a_body_over_the_limit_gets_a_page(sender):
    ann = sender()
    answer = ann.send(b"x" * (limits.UPLOAD + limits.FORM_AROUND_AN_UPLOAD + 1))
    assert (answer.status_code, "The file is too large" in answer.text) == (413, True)
    assert ann.kept == []


def test_who_is_not_signed_in_is_sent_there(sender):
    ann = sender()
    answer = ann.send(wav(), cookie="x")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/accounts/login/?next=%2Fuploads%2F")
    assert ann.http.get(SEND).status_code == 405
    assert ann.kept == []


def test_a_page_of_another_site_can_send_nothing(sender):
    ann, other = sender(), sender()
    for forged in ("", "x", other.token):
        assert "This page was open for too long." in ann.told(ann.send(wav(), token=forged))
    assert ann.kept == []


def test_who_has_no_credits_or_is_suspended_keeps_nothing(sender):
    poor, bad = sender(balance=0), sender()
    assert "An upload needs a balance above 0 credits." in poor.told(poor.send(wav()))
    Account.objects.filter(pk=bad.wallet.account.pk).update(status="suspended")
    assert "This account can't keep files." in bad.told(bad.send(wav()))
    assert poor.kept == bad.kept == []
