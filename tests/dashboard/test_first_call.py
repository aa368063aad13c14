"""Waiting for the first call of a key: what is told of it, and how long a page goes on asking."""

from __future__ import annotations

import re
import time

import pytest
from django.db import connection
from django.utils import timezone

from tests.browsing import browser, read, signed_in, text
from tests.factories import AccountFactory, ApiKeyFactory, WalletFactory
from tests.wallets.calls import charge, giving_back, hold
from wallets import holds
from wallets.models import UsageRecord

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def key():
    return ApiKeyFactory(account=WalletFactory(balance="100").account)


@pytest.fixture
def owner(key):
    return signed_in(key.account.user)


def path_of(key):
    return f"/first-call/{key.pk}/"


def call_of(key, **fields):
    call = hold(key.account.wallet, "5", key_id=key.pk, key_name=key.name, **fields)
    holds.place([call])
    return call


def asks_again(response):
    """Where the page asks again, and after how many seconds."""
    html = response.content.decode()
    found = re.search(r'hx-get="([^"]+)" hx-trigger="every (\d+)s"', html)
    return (found[1].replace("&amp;", "&"), int(found[2])) if found else ("", 0)


def test_the_page_of_a_new_key_shows_the_command_with_it_and_waits():
    account = WalletFactory(balance="100").account
    client = signed_in(account.user)
    number = re.search(r'name="submission" value="([^"]+)"', client.get("/keys/new/").content.decode())[1]
    page = client.post(
        "/keys/new/", {"name": "backend", "submission": number, "expires": "never", "scope_choice": "all", "model_choice": "all"}
    )
    token = re.search(r'id="token">([^<]+)<', page.content.decode())[1]
    assert f'export BEATRA_API_KEY="{token}"' in text(page)
    assert read(page).links.count(f"/first-call/{account.api_keys.get().pk}/") == 2


def test_it_asks_again_until_there_is_something_new(key, owner):
    waiting = owner.get(path_of(key), headers=HTMX)
    assert "Waiting for your first call…" in text(waiting)
    again, seconds = asks_again(waiting)
    assert seconds == 2
    assert owner.get(again, headers=HTMX).status_code == 204

    call = call_of(key)
    running = owner.get(again, headers=HTMX)
    assert "The model is answering…" in text(running)
    again, _ = asks_again(running)
    assert owner.get(again, headers=HTMX).status_code == 204

    holds.settle([charge(call, "3.0000")])
    received = owner.get(again, headers=HTMX)
    assert "Received: 3.0000 credits." in text(received)
    assert f"/usage/{call.usage_id}/" in read(received).links
    assert asks_again(received) == ("", 0)


@pytest.mark.parametrize(("where", "is_apart"), [("/keys/new/", True), ("/", False)])
def test_the_receipt_opens_beside_the_page_that_shows_the_key_this_once(key, owner, where, is_apart):
    holds.settle([charge(call_of(key), "3")])
    received = owner.get(path_of(key), headers={**HTMX, "HX-Current-URL": f"http://localhost{where}"})
    assert "See the receipt" in text(received)
    assert ('target="_blank" rel="noopener"' in received.content.decode()) is is_apart


def test_a_call_that_failed_is_told_and_the_next_one_waited_for(key, owner):
    call = call_of(key)
    holds.release([giving_back(call, error_code="upstream_error")])
    failed = owner.get(path_of(key), headers=HTMX)
    assert "Received, but it failed: nothing was charged." in text(failed)
    assert "upstream_error" in text(failed)
    assert f"/usage/{call.usage_id}/" in read(failed).links
    again, seconds = asks_again(failed)
    assert seconds == 2
    second = call_of(key)
    holds.settle([charge(second, "1.5000")])
    assert "Received: 1.5000 credits." in text(owner.get(again, headers=HTMX))


def test_a_call_that_was_refused_before_any_model_is_told(key, owner):
    type(key).objects.filter(pk=key.pk).update(last_used_at=timezone.now())
    refused = owner.get(path_of(key), headers=HTMX)
    assert "Received, but it was refused: nothing was charged." in text(refused)
    assert asks_again(refused)[1] == 2


@pytest.mark.parametrize(("waited_seconds", "every_seconds"), [(0, 2), (60, 2), (130, 10), (600, 10), (910, 0)])
def test_the_longer_it_waits_the_less_it_asks_and_then_it_stops(key, owner, waited_seconds, every_seconds):
    page = owner.get(f"{path_of(key)}?since={int(time.time()) - waited_seconds}", headers=HTMX)
    assert asks_again(page)[1] == every_seconds
    assert ("Look again" in text(page)) == (every_seconds == 0)


@pytest.mark.parametrize("since", ["", "x", "-5", "9" * 30, "²", "٣"])
def test_a_forged_time_of_opening_breaks_nothing(key, owner, since):
    assert owner.get(f"{path_of(key)}?since={since}", headers=HTMX).status_code == 200


def test_asking_does_not_prolong_the_session(key, owner):
    before = owner.session.get_expiry_date(), owner.session.session_key
    response = owner.get(path_of(key), headers=HTMX)
    assert response.cookies == {}
    assert owner.session.session_key == before[1]


def test_a_key_that_is_revoked_is_waited_for_no_more(key, owner):
    type(key).objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    page = owner.get(path_of(key), headers=HTMX)
    assert "is revoked: calls with it are refused" in text(page)
    assert asks_again(page) == ("", 0)


def test_calls_of_another_key_are_not_its_calls(key, owner):
    holds.settle([charge(call_of(ApiKeyFactory(account=key.account)), "3.0000")])
    assert "Waiting for your first call…" in text(owner.get(path_of(key), headers=HTMX))


def test_without_javascript_it_is_a_page_with_a_link(key, owner):
    page = owner.get(path_of(key))
    assert "Waiting for your first call…" in text(page)
    assert "Look again" in text(page)
    holds.settle([charge(call_of(key), "3.0000")])
    page = owner.get(path_of(key))
    assert "Received: 3.0000 credits." in text(page)
    assert "Look again" not in text(page)
    assert page.headers["Vary"].count("HX-Request") == 1


def test_only_the_owner_sees_it(key):
    assert signed_in(AccountFactory().user).get(path_of(key)).status_code == 404
    assert browser().get(path_of(key)).status_code == 302


def test_the_question_is_answered_from_an_index(key):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = UsageRecord.objects.filter(key_id=key.pk).order_by("-created_at", "-id")[:1].explain()
    assert "usage_by_key" in plan
    assert "Sort" not in plan
