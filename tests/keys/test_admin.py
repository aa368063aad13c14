"""API keys for staff."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Event
from keys.models import ApiKey
from tests.browsing import signed_in
from tests.factories import ApiKeyFactory, StaffFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:keys_apikey_changelist")
LOOK = "keys.view_apikey"


def revoke(client: Client, *keys: ApiKey):
    return client.post(LIST, {"action": "revoke", "_selected_action": [key.pk for key in keys]}, follow=True)


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


def test_staff_revoke_with_an_event():
    mine, before, kept = ApiKeyFactory(), ApiKeyFactory(), ApiKeyFactory()
    client = signed_in(StaffFactory(permissions=[LOOK, "keys.revoke_apikey"]))
    revoke(client, before)
    assert "1 of 2 keys revoked" in revoke(client, mine, before).content.decode()
    assert list(ApiKey.objects.active().filter(pk__in=[mine.pk, before.pk, kept.pk])) == [kept]
    event = Event.objects.get(kind="key.revoked", account=mine.account)
    assert event.actor == client.user


def test_looking_is_not_revoking():
    key = ApiKeyFactory()
    revoke(signed_in(StaffFactory(permissions=[LOOK])), key)
    key.refresh_from_db()
    assert key.revoked_at is None
