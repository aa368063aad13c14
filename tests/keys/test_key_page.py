"""The page of one key, and what is done from there."""

import re
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, Event
from keys import tokens
from keys.models import ApiKey
from tests.browsing import read, signed_in, text
from tests.factories import AccountFactory, ApiKeyFactory, StaffFactory

pytestmark = pytest.mark.django_db

PAGES = ("detail", "edit", "rotate", "revoke")
DEEDS = ("edit", "pause", "resume", "rotate", "revoke")


@pytest.fixture
def account() -> Account:
    return AccountFactory()


@pytest.fixture
def owner(account: Account) -> Client:
    return signed_in(account.user)


def url(page: str, key: ApiKey) -> str:
    return reverse(f"keys:{page}", args=[key.pk])


def now_of(key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=key.pk)


def rotation(owner: Client, key: ApiKey, overlap: str = "24", **data: str):
    number = re.search(r'name="submission" value="([^"]+)"', owner.get(url("rotate", key)).content.decode())
    return owner.post(url("rotate", key), {"overlap": overlap, "submission": number[1] if number else "", **data})


def token_in(response) -> str:
    (token,) = set(re.findall(r"sk-bt-[0-9A-Za-z]{38}", response.content.decode()))
    return token


# Whose it is


def test_nobody_else_comes_near_it():
    key = ApiKeyFactory(paused_at=timezone.now(), name="not yours")
    for client, status in ((Client(), 302), (signed_in(AccountFactory().user), 404), (signed_in(StaffFactory()), 302)):
        for page in PAGES:
            response = client.get(url(page, key))
            assert response.status_code == status
            assert b"not yours" not in response.content
        for deed in DEEDS:
            assert client.post(url(deed, key), {"name": "mine"}).status_code == status
    assert now_of(key).restrictions == key.restrictions
    assert (now_of(key).name, now_of(key).revoked_at) == ("not yours", None)
    assert now_of(key).paused_at is not None
    assert not Event.objects.filter(account=key.account).exists()


@pytest.mark.parametrize("deed", ["pause", "resume"])
def test_a_deed_is_not_done_by_a_link_or_another_site(account: Account, deed: str):
    key = ApiKeyFactory(account=account)
    client = Client(enforce_csrf_checks=True)
    client.force_login(account.user)
    assert client.get(url(deed, key)).status_code == 405
    for posted in (*DEEDS, "rotate"):
        assert client.post(url(posted, key)).status_code == 403
    assert now_of(key).works()


def test_the_pages_hold_no_inline_script_or_style(owner: Client, account: Account):
    key = ApiKeyFactory(account=account, paused_at=timezone.now(), scopes=["chat"])
    for page in PAGES:
        assert read(owner.get(url(page, key))).inline == []
    assert read(rotation(owner, key)).inline == []


# What it shows


def test_it_shows_all_there_is_to_a_key_but_the_key(owner: Client, account: Account):
    key = ApiKeyFactory(
        account=account,
        name="<worker>",
        expires_at=timezone.now() + timedelta(days=40),
        last_used_at=timezone.now() - timedelta(minutes=5),
        scopes=["chat", "read"],
        allowed_models=["qwen-max", "gone"],
        allowed_networks=["203.0.113.7/32", "2001:db8::/32"],
        requests_per_minute=61,
    )
    response = owner.get(url("detail", key))
    shown = text(response)
    for part in (
        key.prefix,
        f"Active works until {key.expires_at:%Y-%m-%d %H:%M} UTC",
        "5 minutes ago",
        "Chat: chat completions and their quotes",
        "Read: the wallet",
        "qwen-max gone",
        "203.0.113.7 2001:db8::/32",
        "61",
    ):
        assert part in shown.replace("\u00a0", " "), part
    assert key.digest not in response.content.decode()
    assert key.token not in response.content.decode()
    assert b"<worker>" not in response.content
    assert f"/usage/?key={key.pk}" in read(response).links


def test_it_says_where_nothing_is_restricted(owner: Client, account: Account):
    shown = text(owner.get(url("detail", ApiKeyFactory(account=account))))
    assert "Expires never May do everything Models all May be used from everywhere Requests per minute no limit of its own" in shown
    assert "Last used never" in shown


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "status", "offers"),
    [
        ({}, "Active", {"edit", "pause", "rotate", "revoke"}),
        ({"expires_at": HOUR * 71}, "Expires soon", {"edit", "pause", "rotate", "revoke"}),
        ({"expires_at": HOUR * 73}, "Active", {"edit", "pause", "rotate", "revoke"}),
        ({"paused_at": -HOUR}, "Paused", {"edit", "resume", "rotate", "revoke"}),
        ({"paused_at": -HOUR, "expires_at": HOUR}, "Paused", {"edit", "resume", "rotate", "revoke"}),
        ({"expires_at": -HOUR}, "Expired", {"revoke"}),
        ({"revoked_at": -HOUR, "paused_at": -HOUR, "expires_at": -HOUR}, "Revoked", set()),
        ({"expires_at": HOUR, "replaced_by": True}, "Replaced", {"pause", "revoke"}),
        ({"expires_at": -HOUR, "replaced_by": True}, "Replaced", {"revoke"}),
        ({"expires_at": HOUR, "replaced_by": True, "revoked_at": -HOUR}, "Revoked", set()),
    ],
)
def test_it_says_what_the_key_is_and_offers_what_can_be_done(owner: Client, account: Account, state: dict, status: str, offers: set[str]):
    times = {name: timezone.now() + value for name, value in state.items() if name != "replaced_by"}
    other = {"replaced_by": ApiKeyFactory(account=account)} if "replaced_by" in state else {}
    key = ApiKeyFactory(account=account, name="the one", **times, **other)
    response = owner.get(url("detail", key))
    page = response.content.decode()
    assert f">{status}</span>" in page
    assert {deed for deed in DEEDS if f'"{url(deed, key)}"' in page} == offers
    row = next(row for row in owner.get(reverse("keys:list")).content.decode().split("<tr") if "the one" in row)
    assert f">{status}</span>" in row
    if other:
        assert url("detail", other["replaced_by"]) in page
        assert url("detail", key) in owner.get(url("detail", other["replaced_by"])).content.decode()


def test_the_list_tells_restrictions_at_a_glance(owner: Client, account: Account):
    ApiKeyFactory(
        account=account, scopes=["music", "chat"], allowed_models=["qwen-max"], allowed_networks=["10.0.0.0/8"] * 2, requests_per_minute=5
    )
    ApiKeyFactory(account=account)
    page = text(owner.get(reverse("keys:list")))
    assert "Chat, Music · 1 model · 2 networks · 5 a minute" in page
    assert " none " in page


# Pausing


def test_a_key_is_paused_and_resumed(owner: Client, account: Account):
    key = ApiKeyFactory(account=account, name="worker")
    paused = owner.post(url("pause", key), follow=True)
    assert "is paused. Calls with it are refused" in text(paused)
    assert not now_of(key).works()
    first = now_of(key).paused_at
    assert "was paused before" in text(owner.post(url("pause", key), follow=True))
    assert now_of(key).paused_at == first
    assert "is resumed" in text(owner.post(url("resume", key), follow=True))
    assert "is not paused" in text(owner.post(url("resume", key), follow=True))
    assert now_of(key).works()
    events = Event.objects.filter(account=account).order_by("pk")
    assert [(event.kind, event.actor) for event in events] == [("key.paused", account.user), ("key.resumed", account.user)]
    assert events[0].data == {"key_id": key.pk, "prefix": key.prefix, "name": "worker"}


def test_a_revoked_key_is_neither_paused_nor_resumed(owner: Client, account: Account):
    key, paused = (ApiKeyFactory(account=account, revoked_at=timezone.now(), paused_at=at) for at in (None, timezone.now()))
    owner.post(url("pause", key))
    owner.post(url("resume", paused))
    assert now_of(key).paused_at is None
    assert now_of(paused).paused_at is not None
    assert not Event.objects.filter(account=account).exists()


def test_a_paused_key_is_revoked_for_good(owner: Client, account: Account):
    key = ApiKeyFactory(account=account, paused_at=timezone.now())
    owner.post(url("revoke", key))
    owner.post(url("resume", key))
    assert now_of(key).status() == ApiKey.Status.REVOKED


# Rotating


def test_a_rotation_shows_the_new_key_once_and_ends_the_old_one_later(owner: Client, account: Account):
    key = ApiKeyFactory(
        account=account, name="worker", scopes=["chat"], allowed_models=["qwen-max"], allowed_networks=["10.0.0.0/8"], requests_per_minute=5
    )
    response = rotation(owner, key)
    token = token_in(response)
    assert (response.status_code, "no-store" in response.headers["Cache-Control"]) == (200, True)
    old, new = now_of(key), ApiKey.objects.get(digest=tokens.digest(token))
    assert (old.replaced_by, new.account, new.name, new.created_by) == (new, account, "worker", account.user)
    assert new.restrictions == key.restrictions
    assert timedelta(hours=23, minutes=59) < old.expires_at - timezone.now() <= timedelta(hours=24)
    assert f"works until {old.expires_at:%Y-%m-%d %H:%M} UTC" in text(response)
    for page in (reverse("keys:list"), url("detail", new), url("detail", old)):
        assert token not in owner.get(page).content.decode()
    event = Event.objects.get(account=account)
    assert event.kind == "key.rotated"
    assert (event.data["key_id"], event.data["new_key_id"], event.data["ends_at"]) == (old.pk, new.pk, old.expires_at.isoformat())
    assert token not in str(event.data)


@pytest.mark.parametrize(("overlap", "hours"), [("0", 0), ("1", 1), ("24", 24), ("168", 168)])
def test_the_overlap_is_the_owners_choice(owner: Client, account: Account, overlap: str, hours: int):
    key = ApiKeyFactory(account=account)
    response = rotation(owner, key, overlap)
    left = now_of(key).expires_at - timezone.now()
    assert timedelta(hours=hours) - timedelta(minutes=1) < left <= timedelta(hours=hours)
    assert now_of(key).works() is (hours > 0)
    assert ("is refused from now on" in text(response)) is (hours == 0)


def test_an_overlap_never_lengthens_a_life(owner: Client, account: Account):
    ends_at = timezone.now() + timedelta(hours=2)
    key = ApiKeyFactory(account=account, expires_at=ends_at)
    assert "UTC at the latest" in text(owner.get(url("rotate", key)))
    new = ApiKey.objects.get(digest=tokens.digest(token_in(rotation(owner, key, "24"))))
    assert now_of(key).expires_at == new.expires_at == ends_at


def test_a_rotation_sent_twice_makes_one_key(owner: Client, account: Account):
    key, number = ApiKeyFactory(account=account), "2c1e1e0a-5b9b-4c39-8f7b-3f1f5d0e8a11"
    token_in(rotation(owner, key, submission=number))
    again = rotation(owner, key, submission=number)
    assert again.status_code == 302
    assert "has been created already" in " ".join(str(message) for message in get_messages(again.wsgi_request))
    assert ApiKey.objects.filter(account=account).count() == 2


@pytest.mark.parametrize("data", [{"overlap": "2"}, {"overlap": ""}, {"submission": "x"}, {"submission": ""}])
def test_a_bad_rotation_is_refused(owner: Client, account: Account, data: dict[str, str]):
    key = ApiKeyFactory(account=account)
    response = rotation(owner, key, **data)
    assert response.status_code == 422
    assert "errorlist" in response.content.decode()
    assert now_of(key).replaced_by is None


def test_a_paused_key_gives_way_to_one_that_works(owner: Client, account: Account):
    key = ApiKeyFactory(account=account, paused_at=timezone.now())
    new = ApiKey.objects.get(digest=tokens.digest(token_in(rotation(owner, key))))
    assert new.works()
    assert not now_of(key).works()


def test_a_full_account_can_rotate_but_make_no_further_key(owner: Client, account: Account, monkeypatch):
    from keys import issuing

    monkeypatch.setattr(issuing, "ACTIVE_KEYS", 2)
    key, _ = ApiKeyFactory(account=account), ApiKeyFactory(account=account)
    token = token_in(rotation(owner, key))
    assert ApiKey.objects.of_account(account).active().count() == 3
    assert "2 keys in use" in owner.get(reverse("keys:create")).content.decode()
    # The one that it replaced works on, and takes its place again
    owner.post(url("revoke", ApiKey.objects.get(digest=tokens.digest(token))))
    assert "2 keys in use" in owner.get(reverse("keys:create")).content.decode()
    owner.post(url("revoke", key))
    assert "2 keys in use" not in owner.get(reverse("keys:create")).content.decode()


def test_two_keys_overlap_and_never_three(owner: Client, account: Account):
    key = ApiKeyFactory(account=account)
    new = ApiKey.objects.get(digest=tokens.digest(token_in(rotation(owner, key, "168"))))
    why = f"The key {key.prefix}… that this one replaced works until {now_of(key).expires_at:%Y-%m-%d %H:%M} UTC. Revoke it first."
    number = "2c1e1e0a-5b9b-4c39-8f7b-3f1f5d0e8a11"
    assert why in text(owner.get(url("rotate", new), follow=True))
    assert why in text(owner.post(url("rotate", new), {"overlap": "0", "submission": number}, follow=True))
    assert ApiKey.objects.of_account(account).count() == 2
    assert now_of(new).works()
    owner.post(url("revoke", key))
    token_in(rotation(owner, new))


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_a_disabled_account_can_not_rotate(status: str):
    key = ApiKeyFactory(account=AccountFactory(status=status))
    client = signed_in(key.account.user)
    response = client.post(url("rotate", key), {"overlap": "0", "submission": "2c1e1e0a-5b9b-4c39-8f7b-3f1f5d0e8a11"}, follow=True)
    assert status in text(response)
    assert now_of(key).works()
