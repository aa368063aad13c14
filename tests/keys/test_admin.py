"""API keys for staff."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Event
from keys.models import ApiKey
from tests.browsing import signed_in
from tests.factories import ApiKeyFactory, StaffFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:keys_apikey_changelist")
LOOK = "keys.view_apikey"


REVOKE = "keys.revoke_apikey"


def page_of(key: ApiKey) -> str:
    return reverse("admin:keys_apikey_change", args=[key.pk])


def act(client: Client, key: ApiKey, deed: str, reason: str = "it leaked"):
    return client.post(reverse(f"admin:keys_apikey_{deed}", args=[key.pk]), {"reason": reason}, follow=True)


def test_customers_are_kept_out():
    assert signed_in(ApiKeyFactory().account.user).get(LIST).status_code == 302


def test_staff_see_keys_but_no_digest_and_change_nothing():
    key = ApiKeyFactory(name="worker")
    client = signed_in(StaffFactory(permissions=[LOOK]))
    page = client.get(LIST).content.decode()
    assert key.prefix in page
    assert key.account.user.email in page
    detail = reverse("admin:keys_apikey_change", args=[key.pk])
    assert key.digest not in page + client.get(detail).content.decode()
    assert client.post(detail, {"name": "other"}).status_code == 403
    assert client.post(reverse("admin:keys_apikey_delete", args=[key.pk]), {"post": "yes"}).status_code == 403
    assert client.post(reverse("admin:keys_apikey_add"), {"name": "x"}).status_code == 403
    assert ApiKey.objects.get(pk=key.pk).name == "worker"


@pytest.mark.parametrize(
    "term", [lambda key: key.prefix, lambda key: key.prefix[:9], lambda key: key.token, lambda key: key.account.user.email.upper()]
)
def test_a_key_is_found_by_its_beginning_or_its_owner(term):
    key, other = ApiKeyFactory(), ApiKeyFactory()
    page = signed_in(StaffFactory(permissions=[LOOK])).get(LIST, {"q": f" {term(key)} "}).content.decode()
    assert key.prefix in page
    assert other.prefix not in page


def test_staff_see_what_a_key_is_restricted_to():
    key = ApiKeyFactory(
        scopes=["chat"], allowed_models=["qwen-max"], allowed_networks=["203.0.113.7/32", "10.0.0.0/8"], requests_per_minute=77
    )
    client = signed_in(StaffFactory(permissions=[LOOK]))
    page = client.get(page_of(key)).content.decode()
    for shown in ("chat completions and their quotes", "qwen-max", "203.0.113.7<br>", "10.0.0.0/8", "77"):
        assert shown in page
    assert "Chat · 1 model · 2 networks · 77 a minute" in client.get(LIST).content.decode()
    assert "everywhere" in client.get(page_of(ApiKeyFactory())).content.decode()


@pytest.mark.parametrize(
    ("deed", "kind", "before"),
    [("revoke", "key.revoked", {}), ("pause", "key.paused", {}), ("resume", "key.resumed", {"paused_at": timezone.now()})],
)
def test_staff_change_a_key_with_a_reason(deed: str, kind: str, before: dict):
    key, other = ApiKeyFactory(**before), ApiKeyFactory(**before)
    client = signed_in(StaffFactory(permissions=[LOOK, REVOKE]))
    assert deed.capitalize() in client.get(page_of(key)).content.decode()
    assert "it leaked" not in act(client, key, deed, reason=" ").content.decode()
    assert not Event.objects.filter(account=key.account).exists()
    act(client, key, deed)
    event = Event.objects.get(kind=kind, account=key.account)
    assert (event.actor, event.data["reason"], event.data["prefix"]) == (client.user, "it leaked", key.prefix)
    changed, kept = ApiKey.objects.get(pk=key.pk), ApiKey.objects.get(pk=other.pk)
    assert changed.works() is (deed == "resume")
    assert kept.works() is (deed != "resume")
    assert act(client, key, deed).status_code == 403
    assert Event.objects.filter(kind=kind, account=key.account).count() == 1


@pytest.mark.parametrize("deed", ["revoke", "pause", "resume"])
def test_looking_is_not_changing(deed: str):
    key = ApiKeyFactory(paused_at=timezone.now() if deed == "resume" else None)
    client = signed_in(StaffFactory(permissions=[LOOK]))
    assert act(client, key, deed).status_code == 403
    assert ApiKey.objects.get(pk=key.pk).works() is (deed != "resume")


@pytest.mark.parametrize("number", ["0", "x", "99999999999999999999"])
def test_a_key_that_never_was_can_not_be_revoked(number: str):
    client = signed_in(StaffFactory(permissions=[LOOK, REVOKE]))
    assert client.post(f"{LIST}{number}/revoke/", {"reason": "x"}).status_code in (403, 404)
