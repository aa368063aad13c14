"""Staff and the admin: who gets in, what an account's suspension does."""

from __future__ import annotations

import pytest
import redis
from django.conf import settings
from rest_framework.test import APIRequestFactory

from accounts.models import Event
from beatra_site.csp import ADMIN_POLICY
from contract.errors import ApiError
from keys.authentication import ApiKeyAuthentication
from keys.forgetting import CHANNEL
from tests.browsing import browser, sign_in, signed_in, text
from tests.factories import PASSWORD, AccountFactory, ApiKeyFactory, StaffFactory, UserFactory, WalletFactory

pytestmark = pytest.mark.usefixtures("committed")


def superuser():
    return signed_in(StaffFactory(is_superuser=True))


def refused(token) -> str:
    """The code an API key is refused with, empty for a good one."""
    request = APIRequestFactory().get("/v1/models", headers={"authorization": f"Bearer {token}"})
    try:
        ApiKeyAuthentication().authenticate(request)
    except ApiError as error:
        return error.code
    return ""


def test_staff_sign_in_to_the_admin_by_address_and_password():
    staff = StaffFactory(is_superuser=True, verified=False)
    client = browser()
    page = client.get("/admin/login/")
    assert page.headers["Content-Security-Policy"] == ADMIN_POLICY
    response = client.post("/admin/login/", {"username": staff.email.upper(), "password": PASSWORD, "next": "/admin/"})
    assert response.headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_a_customer_does_not_get_into_the_admin():
    email = WalletFactory().account.user.email
    response = browser().post("/admin/login/", {"username": email, "password": PASSWORD})
    assert response.status_code == 200
    assert sign_in(email).get("/admin/").headers["Location"].startswith("/admin/login/")


def test_guessing_a_staff_password_is_stopped_after_five_tries():
    email = StaffFactory().email
    for _ in range(5):
        browser().post("/admin/login/", {"username": email, "password": "guess"})
    response = browser().post("/admin/login/", {"username": email, "password": PASSWORD})
    assert "Too many tries." in text(response)


def test_staff_without_an_account_are_led_to_the_admin():
    client = superuser()
    for path in ("/", "/usage/", "/account/", "/keys/"):
        assert client.get(path).headers["Location"] == "/admin/", path


def test_a_user_without_an_account_is_told_so():
    response = signed_in(UserFactory()).get("/")
    assert (response.status_code, "No account" in text(response)) == (403, True)


def test_every_page_of_the_admin_opens():
    client = superuser()
    account = WalletFactory(balance="1").account
    for page in ("account", "user", "event"):
        assert client.get(f"/admin/accounts/{page}/").status_code == 200, page
    for path in (
        f"/admin/accounts/account/{account.pk}/change/",
        f"/admin/accounts/user/{account.user.pk}/change/",
        "/admin/accounts/user/add/",
        f"/admin/accounts/account/{account.pk}/suspend/",
    ):
        assert client.get(path, follow=True).status_code == 200, path


@pytest.mark.parametrize("nobody", ["x", "0", "9" * 30])
@pytest.mark.parametrize("page", ["change", "suspend", "reopen"])
def test_a_page_of_no_account_is_not_found(nobody, page):
    assert superuser().get(f"/admin/accounts/account/{nobody}/{page}/").status_code == 404


def test_suspending_refuses_the_keys_at_once_and_says_why():
    key = ApiKeyFactory()
    client = superuser()
    path = f"/admin/accounts/account/{key.account.pk}"
    assert refused(key.token) == ""
    heard = redis.Redis.from_url(settings.REDIS_URL).pubsub()
    heard.subscribe(CHANNEL)
    assert heard.get_message(timeout=5)["type"] == "subscribe"

    assert client.post(f"{path}/suspend/", {"reason": ""}, follow=True).status_code == 200
    assert refused(key.token) == ""
    client.post(f"{path}/suspend/", {"reason": "card dispute"}, follow=True)
    assert refused(key.token) == "tenant_disabled"
    assert heard.get_message(timeout=5)["data"] == f"account:{key.account.pk}".encode()
    heard.close()
    assert "Your account is suspended." in text(sign_in(key.account.user.email).get("/"))

    client.post(f"{path}/reopen/", {"reason": "settled"}, follow=True)
    assert refused(key.token) == ""
    events = Event.objects.filter(account=key.account, kind__startswith="account.").order_by("id")
    assert [(event.kind, event.actor, event.data) for event in events] == [
        ("account.suspended", client.user, {"reason": "card dispute"}),
        ("account.reopened", client.user, {"reason": "settled"}),
    ]


def test_suspending_twice_is_one_event():
    account = AccountFactory()
    first, second = superuser(), superuser()
    for client in (first, second):
        client.post(f"/admin/accounts/account/{account.pk}/suspend/", {"reason": "twice"})
    assert Event.objects.filter(account=account, kind="account.suspended").count() == 1


def test_staff_who_may_only_look_can_not_suspend():
    account = AccountFactory()
    response = signed_in(StaffFactory()).post(f"/admin/accounts/account/{account.pk}/suspend/", {"reason": "no right"})
    account.refresh_from_db()
    assert (response.status_code, account.status) == (403, "active")


def test_a_closed_account_is_neither_suspended_nor_reopened():
    account = AccountFactory(status="closed")
    client = superuser()
    for verb in ("suspend", "reopen"):
        client.post(f"/admin/accounts/account/{account.pk}/{verb}/", {"reason": "no"})
    account.refresh_from_db()
    assert account.status == "closed"


def test_events_and_accounts_are_not_edited_by_hand():
    client = superuser()
    account = AccountFactory()
    event = Event.objects.create(kind="test", account=account)
    assert client.get(f"/admin/accounts/event/{event.pk}/change/").status_code == 200
    assert client.post(f"/admin/accounts/event/{event.pk}/change/", {"kind": "forged"}).status_code == 403
    for path in (
        "/admin/accounts/event/add/",
        f"/admin/accounts/event/{event.pk}/delete/",
        f"/admin/accounts/account/{account.pk}/delete/",
    ):
        assert client.post(path).status_code == 403, path
    client.post(f"/admin/accounts/account/{account.pk}/change/", {"status": "closed"})
    account.refresh_from_db()
    assert account.status == "active"
