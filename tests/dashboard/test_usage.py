"""The list of calls: newest first, page by page, and never somebody else's."""

from __future__ import annotations

import pytest

from beatra_site.dashboard import views
from tests.browsing import browser, read, text
from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold
from wallets import holds

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet():
    return WalletFactory(balance="1000")


@pytest.fixture
def client(wallet):
    client = browser()
    client.force_login(wallet.account.user)
    return client


def receipts(page):
    return [link.partition("?")[0] for link in read(page).links if link.startswith("/usage/chatcmpl_")]


def test_it_shows_who_asked_what_and_what_it_cost(client, wallet):
    call = hold(wallet, "13", key_name="backend", key_prefix="sk-bt-a1B2c3", model_asked="auto", model="MiniMax-M2.7")
    holds.place([call])
    holds.settle([charge(call, "3", prompt_tokens=1234, completion_tokens=42)])
    words = text(client.get("/usage/"))
    assert "MiniMax-M2.7 backend Complete 1,234 in, 42 out 3.0000" in words


def test_running_and_failed_calls_are_told_apart(client, wallet):
    running, failed = hold(wallet, "7"), hold(wallet, "8")
    holds.place([running, failed])
    holds.release([giving_back(failed, clause="upstream_failed")])
    words = text(client.get("/usage/"))
    assert "Running 0 in, 0 out 7.0000 held" in words
    assert "Provider failed 0 in, 0 out 0.0000" in words


def test_it_is_paged_newest_first_without_gaps_or_repeats(client, wallet, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 2)
    calls = [hold(wallet, "1") for _ in range(5)]
    for call in calls:
        holds.place([call])
    expected = [f"/usage/{call.usage_id}/" for call in reversed(calls)]
    seen, path = [], "/usage/"
    while path:
        page = client.get(path)
        seen.append(receipts(page))
        older = [link for link in read(page).links if link.startswith("?cursor=")]
        path = f"/usage/{older[0]}" if older else None
    assert seen == [expected[:2], expected[2:4], expected[4:]]


def test_htmx_gets_the_next_rows_alone(client, wallet, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 1)
    for _ in range(2):
        holds.place([hold(wallet, "1")])
    older = next(link for link in read(client.get("/usage/")).links if link.startswith("?cursor="))
    rows = client.get(f"/usage/{older}", headers={"hx-request": "true"})
    assert rows.content.lstrip().startswith(b"<tr>")
    assert b"<html" not in rows.content
    assert len(receipts(rows)) == 1


def test_without_calls_it_says_how_to_make_one(client):
    page = client.get("/usage/")
    assert "No calls yet." in text(page)
    assert "/" in read(page).links


@pytest.mark.parametrize("cursor", ["1", "x", "%00", "eyJhIjoxfQ"])
def test_a_forged_cursor_is_no_page(client, cursor):
    assert client.get(f"/usage/?cursor={cursor}").status_code == 404


def test_nobody_else_s_calls_are_in_it(client):
    holds.place([hold(WalletFactory(balance="5"), "1", model="somebody-else's")])
    assert receipts(client.get("/usage/")) == []


def test_a_list_of_many_calls_asks_the_database_as_often_as_one_of_few(client, wallet, django_assert_max_num_queries):
    for _ in range(10):
        holds.place([hold(wallet, "1")])
    with django_assert_max_num_queries(11):
        client.get("/usage/")
