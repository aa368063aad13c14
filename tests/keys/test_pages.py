"""The pages of API keys: what their owner sees, and what nobody else does."""

import re
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, Event
from keys import issuing, tokens
from keys.models import ApiKey
from tests.browsing import signed_in
from tests.factories import AccountFactory, ApiKeyFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST, CREATE = reverse("keys:list"), reverse("keys:create")
# What the form of a new key sends where nobody has touched its restrictions
UNRESTRICTED = {"expires": "never", "scope_choice": "all", "model_choice": "all"}
A_FORM = "2c1e1e0a-5b9b-4c39-8f7b-3f1f5d0e8a11"


def revoke_url(key: ApiKey) -> str:
    return reverse("keys:revoke", args=[key.pk])


@pytest.fixture
def account() -> Account:
    return AccountFactory()


@pytest.fixture
def owner(account: Account) -> Client:
    return signed_in(account.user)


def keys_of(account: Account) -> list[ApiKey]:
    return list(ApiKey.objects.of_account(account).order_by("pk"))


def submission(client: Client) -> str:
    """The number of a fresh form."""
    page = client.get(CREATE).content.decode()
    return re.search(r'name="submission" value="([^"]+)"', page)[1]


def create(client: Client, name: str = "worker", **data: str | list[str]):
    return client.post(
        CREATE, {**UNRESTRICTED, "name": name, **({} if "submission" in data else {"submission": submission(client)}), **data}
    )


def token_in(response) -> str:
    found = set(re.findall(r"sk-bt-[0-9A-Za-z]{38}", response.content.decode()))
    assert len(found) == 1
    return found.pop()


def messages_of(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


# Who may see them


@pytest.mark.parametrize("method", ["get", "post"])
def test_strangers_are_sent_to_sign_in(method: str):
    key = ApiKeyFactory()
    for url in (LIST, CREATE, revoke_url(key)):
        if (url, method) == (LIST, "post"):
            continue
        response = getattr(Client(), method)(url)
        assert response.status_code == 302
        assert response.url.startswith(reverse("account_login"))
    key.refresh_from_db()
    assert key.revoked_at is None


def test_staff_without_an_account_are_led_elsewhere():
    staff = signed_in(StaffFactory())
    before = ApiKey.objects.count()
    assert staff.get(LIST).status_code == 302
    assert staff.post(CREATE, {**UNRESTRICTED, "name": "x", "submission": A_FORM}).status_code == 302
    assert ApiKey.objects.count() == before


def test_a_key_of_another_account_is_not_there(owner: Client):
    other = ApiKeyFactory(name="not yours")
    assert owner.get(revoke_url(other)).status_code == 404
    assert owner.post(revoke_url(other)).status_code == 404
    assert b"not yours" not in owner.get(LIST).content
    other.refresh_from_db()
    assert other.revoked_at is None


@pytest.mark.parametrize("number", ["0", "99999999999999999999999"])
def test_a_key_that_never_was_is_not_there(owner: Client, number: str):
    assert owner.get(f"/keys/{number}/revoke/").status_code == 404


def test_the_site_refuses_a_form_of_another_site(account: Account):
    client = Client(enforce_csrf_checks=True)
    client.force_login(account.user)
    assert client.post(CREATE, {**UNRESTRICTED, "name": "x", "submission": A_FORM}).status_code == 403
    assert not keys_of(account)


# Creating


def test_a_new_key_works_and_is_shown_once(owner: Client, account: Account):
    response = create(owner, "worker")
    token = token_in(response)
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    assert "data-copy" in response.content.decode()
    key = ApiKey.objects.get(digest=tokens.digest(token))
    assert (key.account, key.name, key.prefix, key.created_by) == (account, "worker", token[:12], account.user)
    for url in (LIST, CREATE, revoke_url(key)):
        assert token not in owner.get(url).content.decode()


def test_the_key_is_kept_nowhere_in_clear(owner: Client):
    from django.apps import apps

    token = token_in(create(owner))
    body = token[12:]
    for model in apps.get_models():
        for row in model._default_manager.values():
            assert body not in repr(row), model
    assert body not in repr(dict(owner.session))


def test_creating_is_remembered_without_the_secret(owner: Client, account: Account):
    token = token_in(create(owner, "worker"))
    event = Event.objects.get(account=account, kind="key.created")
    assert event.actor == account.user
    assert event.data == {"key_id": keys_of(account)[0].pk, "prefix": token[:12], "name": "worker"}


def test_a_form_sent_twice_makes_one_key(owner: Client, account: Account):
    number = submission(owner)
    create(owner, "worker", submission=number)
    again = create(owner, "worker", submission=number)
    assert again.status_code == 302
    assert "has been created already" in messages_of(again)
    assert len(keys_of(account)) == 1


def test_an_old_form_with_another_name_asks_before_it_makes_another_key(owner: Client, account: Account):
    number = submission(owner)
    create(owner, "worker", submission=number)
    asked = create(owner, "other", submission=number)
    assert len(keys_of(account)) == 1
    fresh = re.search(r'name="submission" value="([^"]+)"', asked.content.decode())[1]
    assert fresh != number
    assert 'value="other"' in asked.content.decode()
    token_in(create(owner, "other", submission=fresh))
    assert len(keys_of(account)) == 2


def test_the_number_of_a_form_is_good_for_one_account_only(owner: Client):
    number = submission(owner)
    token_in(create(owner, submission=number))
    token_in(create(signed_in(AccountFactory().user), submission=number))


@pytest.mark.parametrize("name", ["", "   ", "\u00a0", "x" * 65, "a\x00b", "bell\x07"])
def test_a_bad_name_is_refused(owner: Client, account: Account, name: str):
    response = create(owner, name)
    assert response.status_code == 422
    assert "errorlist" in response.content.decode()
    assert not keys_of(account)


@pytest.mark.parametrize(
    ("given", "kept"), [("  a   worker ", "a worker"), ("<b>&'\"", "<b>&'\""), ("Ω 工人", "Ω 工人"), ("x" * 64, "x" * 64)]
)
def test_a_name_is_kept_as_it_is_meant(owner: Client, account: Account, given: str, kept: str):
    token_in(create(owner, given))
    assert keys_of(account)[0].name == kept
    assert "<b>&'" not in owner.get(LIST).content.decode()


@pytest.mark.parametrize("number", ["", "no uuid", "1"])
def test_a_form_without_its_number_is_refused(owner: Client, account: Account, number: str):
    assert owner.post(CREATE, {**UNRESTRICTED, "name": "worker", "submission": number}).status_code == 422
    assert not keys_of(account)


def test_an_unverified_address_may_not_create():
    account = AccountFactory(user=UserFactory(verified=False))
    client = signed_in(account.user)
    page = client.get(CREATE).content.decode()
    assert "Confirm your email address" in page
    assert reverse("account_email") in page
    assert client.post(CREATE, {**UNRESTRICTED, "name": "x", "submission": A_FORM}).status_code == 409
    assert not keys_of(account)


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_a_disabled_account_sees_and_revokes_but_does_not_create(status: str):
    account = AccountFactory(status=status)
    key, client = ApiKeyFactory(account=account), signed_in(account.user)
    page = client.get(LIST).content.decode()
    assert key.prefix in page
    assert status in page
    assert CREATE not in page
    assert client.post(CREATE, {**UNRESTRICTED, "name": "x", "submission": A_FORM}).status_code == 409
    assert len(keys_of(account)) == 1
    client.post(revoke_url(key))
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_only_keys_in_use_count_towards_the_limit(owner: Client, account: Account, monkeypatch):
    monkeypatch.setattr(issuing, "ACTIVE_KEYS", 2)
    ApiKeyFactory(account=account, revoked_at=timezone.now())
    ApiKeyFactory(account=account, expires_at=timezone.now() - timedelta(days=1))
    ApiKeyFactory()
    number = submission(owner)
    last, kept = token_in(create(owner)), token_in(create(owner))
    refused = create(owner, submission=number)
    assert refused.status_code == 409
    assert "2 keys in use" in refused.content.decode()
    assert kept != last
    owner.post(revoke_url(ApiKey.objects.get(digest=tokens.digest(last))))
    token_in(create(owner))


# Seeing and revoking


def test_an_account_without_keys_is_shown_the_way_to_the_first(owner: Client):
    page = owner.get(LIST).content.decode()
    assert "No API keys yet" in page
    assert CREATE in page


def test_the_list_tells_the_keys_apart(owner: Client, account: Account):
    now = timezone.now()
    active = ApiKeyFactory(account=account, name="in use", last_used_at=now - timedelta(minutes=5))
    ApiKeyFactory(account=account, name="gone", revoked_at=now)
    ApiKeyFactory(account=account, name="over", expires_at=now - timedelta(days=1))
    page = owner.get(LIST).content.decode()
    rows = {re.search(r">([^<]+)</a></th>", row)[1]: row for row in page.split("<tr")[2:]}
    assert active.prefix in rows["in use"]
    assert "Active" in rows["in use"]
    assert "5\u00a0minutes ago" in rows["in use"]
    assert "Revoked" in rows["gone"]
    assert "never" in rows["gone"]
    assert "Expired" in rows["over"]
    assert revoke_url(active) in rows["in use"]
    for key in account.api_keys.all():
        assert f'href="/usage/?key={key.pk}"' in rows[key.name]
    assert "revoke/" not in rows["gone"]
    assert active.digest not in page


def test_a_long_list_is_paged(owner: Client, account: Account, monkeypatch):
    from keys import views

    monkeypatch.setattr(views, "PAGE_LENGTH", 2)
    names = [f"key {number}" for number in range(5)]
    for name in names:
        ApiKeyFactory(account=account, name=name)
    seen, url = [], LIST
    while url:
        page = owner.get(url).content.decode()
        seen += re.findall(r">(key \d)</a></th>", page)
        older = re.search(r'href="(\?cursor=[^"]+)"', page)
        url = older and LIST + older[1]
    assert seen == names[::-1]


def test_a_forged_cursor_leads_nowhere(owner: Client):
    assert owner.get(LIST, {"cursor": "forged"}).status_code == 404


def test_revoking_asks_first_and_then_is_done(owner: Client, account: Account):
    key = ApiKeyFactory(account=account, name="old worker")
    asked = owner.get(revoke_url(key))
    assert "old worker" in asked.content.decode()
    key.refresh_from_db()
    assert key.revoked_at is None
    done = owner.post(revoke_url(key), follow=True)
    assert done.redirect_chain == [(LIST, 302)]
    assert "is revoked" in done.content.decode()
    key.refresh_from_db()
    assert key.revoked_at is not None
    event = Event.objects.get(account=account, kind="key.revoked")
    assert (event.actor, event.data["prefix"]) == (account.user, key.prefix)


def test_revoking_twice_keeps_the_first_time(owner: Client, account: Account):
    key = ApiKeyFactory(account=account)
    owner.post(revoke_url(key))
    first = ApiKey.objects.get(pk=key.pk).revoked_at
    assert owner.post(revoke_url(key)).status_code == 302
    assert owner.get(revoke_url(key)).status_code == 302
    assert ApiKey.objects.get(pk=key.pk).revoked_at == first
    assert Event.objects.filter(account=account, kind="key.revoked").count() == 1


@pytest.mark.parametrize("url", [LIST, CREATE])
def test_pages_take_no_other_methods(owner: Client, url: str):
    assert owner.delete(url).status_code == 405


def test_the_pages_hold_no_inline_script_or_style(owner: Client, account: Account):
    ApiKeyFactory(account=account)
    for response in (owner.get(LIST), owner.get(CREATE), create(owner), owner.get(revoke_url(keys_of(account)[0]))):
        page = response.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert not re.search(r"\son\w+=|\sstyle=|<style", page)
