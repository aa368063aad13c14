"""The form of a key: what it makes of what is given, and how it says no."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, Event
from keys.models import ApiKey
from tests.browsing import signed_in
from tests.factories import AccountFactory, ApiKeyFactory

pytestmark = pytest.mark.django_db

CREATE = reverse("keys:create")
UNRESTRICTED = {"name": "worker", "expires": "never", "scope_choice": "all", "model_choice": "all"}
EVERYTHING = {
    "expires": "30",
    "scope_choice": "only",
    "scopes": ["chat", "read"],
    "model_choice": "only",
    "models": ["qwen-max", "MiniMax-M2.7"],
    "networks": " 203.0.113.7 \n\n2001:DB8::/32\r\n203.0.113.7/32\n",
    "requests_per_minute": "60",
}


@pytest.fixture
def account() -> Account:
    return AccountFactory()


@pytest.fixture
def owner(account: Account) -> Client:
    return signed_in(account.user)


def send(owner: Client, key: ApiKey | None = None, **data):
    """The form of a new key, or of one there is."""
    if key is not None:
        return owner.post(reverse("keys:edit", args=[key.pk]), {**UNRESTRICTED, **data})
    number = re.search(r'name="submission" value="([^"]+)"', owner.get(CREATE).content.decode())[1]
    return owner.post(CREATE, {**UNRESTRICTED, "submission": number, **data})


def the_key(account: Account) -> ApiKey:
    return ApiKey.objects.get(account=account)


def errors_in(response) -> list[str]:
    lists = re.findall(r'<ul class="errorlist[^>]*>(.*?)</ul>', response.content.decode(), re.DOTALL)
    return [html.unescape(error) for found in lists for error in re.findall(r"<li>(.*?)</li>", found, re.DOTALL)]


def test_a_name_is_all_that_has_to_be_given(owner: Client, account: Account):
    page = owner.get(CREATE).content.decode()
    assert "<details" in page
    assert "<details open" not in re.sub(r' class="restrictions"', "", page)
    assert send(owner).status_code == 200
    key = the_key(account)
    assert key.restrictions.columns() == dict.fromkeys(key.restrictions.columns())
    assert Event.objects.get(account=account).data == {"key_id": key.pk, "prefix": key.prefix, "name": "worker"}


def test_every_restriction_is_kept(owner: Client, account: Account):
    assert send(owner, **EVERYTHING).status_code == 200
    key = the_key(account)
    assert timedelta(days=29, hours=23) < key.expires_at - timezone.now() <= timedelta(days=30)
    assert key.scopes == ["chat", "read"]
    assert sorted(key.allowed_models) == ["MiniMax-M2.7", "qwen-max"]
    assert key.allowed_networks == ["203.0.113.7/32", "2001:db8::/32"]
    assert key.requests_per_minute == 60
    assert Event.objects.get(account=account).data["restrictions"]["allowed_networks"] == key.allowed_networks


def test_a_key_works_to_the_end_of_its_last_day(owner: Client, account: Account):
    today = timezone.now().date()
    assert send(owner, expires="date", expires_on=today.isoformat()).status_code == 200
    tomorrow = today + timedelta(days=1)
    assert the_key(account).expires_at == datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"expires": ""}, "This field is required."),
        ({"expires": "keep"}, "Select a valid choice"),
        ({"expires": "12"}, "Select a valid choice"),
        ({"expires": "date"}, "Give the last day"),
        ({"expires": "date", "expires_on": "2020-01-01"}, "This day has passed"),
        ({"expires": "date", "expires_on": "9999-12-31"}, "more than 10 years away"),
        ({"expires": "date", "expires_on": "soon"}, "Enter a valid date."),
        ({"expires": "never", "expires_on": "2099-01-01"}, "another choice is made above"),
        ({"scope_choice": "only"}, "Tick at least one capability"),
        ({"scope_choice": "", "scopes": ["chat"]}, "This field is required."),
        ({"scopes": ["chat"]}, "Some are ticked, but all is chosen"),
        ({"scope_choice": "only", "scopes": ["chat", "admin"]}, "admin is not one of the available choices"),
        ({"model_choice": "only"}, "Tick at least one model"),
        ({"models": ["qwen-max"]}, "Some are ticked, but all is chosen"),
        ({"model_choice": "only", "models": ["no-such"]}, "no-such is not one of the available choices"),
        ({"networks": "10.0.0.1\nexample.com"}, "Line 2: “example.com” is neither"),
        ({"networks": "10.1.2.3/8"}, "Line 1: “10.1.2.3/8” names an address within a network. Did you mean 10.0.0.0/8"),
        ({"networks": "<b>"}, "Line 1: “<b>” is neither"),
        ({"networks": "\n".join(f"10.0.{n}.0/24" for n in range(101))}, "These are 101 networks; a key can have 100"),
        ({"networks": "x\n" * 30}, "… and 20 more lines."),
        ({"networks": "10.0.0.1\x00"}, "Null characters"),
        ({"requests_per_minute": "0"}, "must be 1 at least"),
        ({"requests_per_minute": "1000001"}, "1,000,000 at most"),
        ({"requests_per_minute": "many"}, "Give a whole number in digits"),
        ({"requests_per_minute": "50,000"}, "Give a whole number in digits"),
        ({"requests_per_minute": "9" * 5000}, "Give a whole number in digits"),
    ],
)
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "edited"])
def test_a_mistake_is_named_and_nothing_is_lost(owner: Client, account: Account, given: dict, said: str, is_new: bool):
    key = None if is_new else ApiKeyFactory(account=account, name="as it was")
    response = send(owner, key, name="the name I gave", **given)
    assert response.status_code == 422
    assert any(said in error for error in errors_in(response)), errors_in(response)
    page = response.content.decode()
    assert 'value="the name I gave"' in page
    assert re.search(r"<details[^>]* open", page)
    assert "<b>" not in page
    for sent in given.get("networks", "").split("\n"):
        assert html.escape(sent.strip("\x00")) in page
    if is_new:
        assert not ApiKey.objects.filter(account=account).exists()
    else:
        assert the_key(account).name == "as it was"
        assert not Event.objects.filter(account=account).exists()


def test_all_mistakes_are_named_at_once(owner: Client):
    response = send(owner, name=" ", expires="date", scope_choice="only", model_choice="only", networks="x", requests_per_minute="-1")
    assert len(errors_in(response)) == 6


def test_restrictions_stay_tucked_away_where_the_name_alone_is_wrong(owner: Client):
    assert not re.search(r"<details[^>]* open", send(owner, name="").content.decode())


def test_an_old_form_that_asks_for_another_key_keeps_its_restrictions(owner: Client, account: Account):
    number = "2c1e1e0a-5b9b-4c39-8f7b-3f1f5d0e8a11"
    assert send(owner, submission=number).status_code == 200
    asked = send(owner, submission=number, **{**EVERYTHING, "name": "other"})
    assert asked.status_code == 409
    page = asked.content.decode()
    assert "2001:DB8::/32" in page
    assert 'value="60"' in page
    assert number not in page
    assert ApiKey.objects.filter(account=account).count() == 1


# Editing


def test_the_form_of_a_key_shows_it_as_it_is(owner: Client, account: Account):
    ends_at = timezone.now() + timedelta(days=40, seconds=17)
    key = ApiKeyFactory(
        account=account,
        name="worker",
        expires_at=ends_at,
        scopes=["chat"],
        allowed_models=["qwen-max", "was-there-once"],
        allowed_networks=["203.0.113.7/32", "10.0.0.0/8"],
        requests_per_minute=60,
    )
    page = owner.get(reverse("keys:edit", args=[key.pk])).content.decode()
    assert f"As it is: {ends_at:%Y-%m-%d %H:%M} UTC" in page
    assert "203.0.113.7\n10.0.0.0/8</textarea>" in page
    assert "was-there-once (switched off)" in page
    assert re.findall(r'value="([^"]+)"[^>]* checked', page) == ["only", "chat", "only", "qwen-max", "was-there-once"]
    assert re.search(r"<details[^>]* open", page)

    sent = {
        "expires": "keep",
        "scope_choice": "only",
        "scopes": ["chat"],
        "model_choice": "only",
        "models": ["qwen-max", "was-there-once"],
        "networks": "203.0.113.7\r\n10.0.0.0/8",
        "requests_per_minute": "60",
    }
    saved = owner.post(reverse("keys:edit", args=[key.pk]), {"name": "worker", **sent}, follow=True)
    assert "Nothing was changed." in saved.content.decode()
    assert not Event.objects.filter(account=account).exists()
    assert ApiKey.objects.get(pk=key.pk).restrictions == key.restrictions


def test_a_change_is_remembered_from_what_to_what(owner: Client, account: Account):
    key = ApiKeyFactory(account=account, name="worker", scopes=["chat"], requests_per_minute=60)
    done = send(owner, key, name="other", scope_choice="only", scopes=["chat", "read"], networks="10.0.0.0/8")
    assert (done.status_code, done.url) == (302, reverse("keys:detail", args=[key.pk]))
    event = Event.objects.get(account=account)
    assert (event.kind, event.actor) == ("key.changed", account.user)
    assert event.data["changes"] == {
        "name": ["worker", "other"],
        "scopes": [["chat"], ["chat", "read"]],
        "allowed_networks": [None, ["10.0.0.0/8"]],
        "requests_per_minute": [60, None],
    }
    assert ApiKey.objects.get(pk=key.pk).digest == key.digest


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"revoked_at": timezone.now()}, "is revoked"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "has expired"),
        ({"replaced_by": True}, "has been replaced"),
    ],
)
def test_a_key_that_is_over_is_not_edited_or_rotated(owner: Client, account: Account, state: dict, why: str):
    if "replaced_by" in state:
        state = {"replaced_by": ApiKeyFactory(account=account), "expires_at": timezone.now() + timedelta(hours=1)}
    key = ApiKeyFactory(account=account, **state)
    for page in ("edit", "rotate"):
        url = reverse(f"keys:{page}", args=[key.pk])
        number = {"submission": "2c1e1e0a-5b9b-4c39-8f7b-3f1f5d0e8a11", "overlap": "24"}
        for response in (owner.get(url, follow=True), owner.post(url, {**UNRESTRICTED, **number}, follow=True)):
            assert response.redirect_chain == [(reverse("keys:detail", args=[key.pk]), 302)]
            assert why in response.content.decode()
    assert ApiKey.objects.get(pk=key.pk).name == key.name
    assert not Event.objects.filter(account=account).exists()


def test_a_paused_key_can_be_edited_and_stays_paused(owner: Client, account: Account):
    key = ApiKeyFactory(account=account, paused_at=timezone.now())
    assert send(owner, key, requests_per_minute="5").status_code == 302
    key.refresh_from_db()
    assert key.requests_per_minute == 5
    assert key.paused_at is not None
