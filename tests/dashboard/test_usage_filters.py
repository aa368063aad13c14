"""The filters of the usage page: each finds its calls, together they narrow, and nonsense is told as such."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from beatra_site.dashboard import usage_filters, views
from contract.ids import new_id
from tests.browsing import read, signed_in, text
from tests.factories import ApiKeyFactory, WalletFactory
from tests.wallets.calls import charge, giving_back, hold
from wallets import holds
from wallets.models import UsageRecord
from wallets.models.usage import Total, UsageQuerySet
from wallets.refunds import refund

pytestmark = pytest.mark.django_db


@pytest.fixture
def key():
    return ApiKeyFactory(name="backend")


@pytest.fixture
def wallet(key):
    return WalletFactory(account=key.account, balance="1000")


@pytest.fixture
def client(wallet):
    return signed_in(wallet.account.user)


def placed(wallet, key=None, *, at=None, **fields):
    """The id of a running call, begun at `at`."""
    if key:
        fields |= {"key_id": key.pk, "key_name": key.name, "key_prefix": key.prefix}
    call = hold(wallet, "1", **{"model": "m", **fields})
    holds.place([call])
    if at:
        UsageRecord.objects.filter(pk=call.usage_id).update(created_at=at)
    return call


def listed(response):
    """The ids of the calls on a page, in its order."""
    assert response.status_code == 200
    paths = [link.partition("?")[0] for link in read(response).links if link.startswith("/usage/chatcmpl_")]
    return [path.removeprefix("/usage/").removesuffix("/") for path in paths]


def found(client, **filters):
    return set(listed(client.get("/usage/", filters)))


def test_by_key(client, wallet, key):
    other = ApiKeyFactory(account=key.account, name="batch jobs")
    mine, theirs = placed(wallet, key).usage_id, placed(wallet, other).usage_id
    assert found(client, key=key.pk) == {mine}
    assert found(client, key=other.pk) == {theirs}


def test_the_keys_offered_are_the_active_and_the_used_ones_of_the_account(client, wallet, key):
    gone = ApiKeyFactory(account=key.account, name="gone", revoked_at=timezone.now())
    ApiKeyFactory(account=key.account, name="never used", revoked_at=timezone.now())
    ApiKeyFactory(name="a stranger's")
    placed(wallet, gone)
    words = text(client.get("/usage/"))
    assert f"Any key backend ({key.prefix}…) gone ({gone.prefix}…, revoked)" in words
    assert "never used" not in words
    assert "a stranger's" not in words


def test_a_key_that_is_one_too_many_for_the_choice_is_found_by_its_address(client, wallet, key, monkeypatch):
    monkeypatch.setattr(usage_filters, "MOST_KEYS", 1)
    newer = ApiKeyFactory(account=key.account, name="newer")
    call = placed(wallet, key).usage_id
    placed(wallet, newer)
    assert found(client, key=key.pk) == {call}


def test_by_model(client, wallet):
    one, other = placed(wallet, model="gpt-4o-mini").usage_id, placed(wallet, model="MiniMax-M2.7").usage_id
    placed(wallet, model="MiniMax-M2.7")
    assert found(client, model="gpt-4o-mini") == {one}
    assert other in found(client, model="MiniMax-M2.7")
    assert "Any model MiniMax-M2.7 gpt-4o-mini" in text(client.get("/usage/"))


def test_by_outcome(client, wallet):
    running = placed(wallet)
    calls = {clause: placed(wallet) for clause in ("complete", "drained", "stopped", "cut_by_limit", "upstream_failed", "empty", "lost")}
    for clause in ("complete", "drained", "stopped", "cut_by_limit"):
        holds.settle([charge(calls[clause], "1", clause=clause, estimated=clause in ("stopped", "cut_by_limit"))])
    for clause in ("upstream_failed", "empty", "lost"):
        holds.release([giving_back(calls[clause], clause=clause)])
    for clause, call in calls.items():
        assert found(client, outcome=clause) == {call.usage_id}, clause
    assert found(client, outcome="running") == {running.usage_id}
    assert found(client, outcome="estimated") == {calls["stopped"].usage_id, calls["cut_by_limit"].usage_id}
    assert found(client, outcome="not_sent") == set()


def test_by_request_id_which_may_be_of_several_calls(client, wallet):
    calls = {placed(wallet, request_id="mine/7 a").usage_id for _ in range(2)}
    placed(wallet, request_id="mine/7")
    placed(WalletFactory(balance="5"), request_id="mine/7 a")
    assert found(client, id="mine/7 a") == calls
    assert found(client, id="  mine/7 a ") == calls
    assert found(client, id="mine") == set(), "whole ids only"


def test_by_the_id_of_a_call_in_the_same_field(client, wallet):
    call = placed(wallet, request_id="one")
    placed(wallet, request_id="two")
    stranger_s = placed(WalletFactory(balance="5"))
    assert found(client, id=call.usage_id) == {call.usage_id}
    assert found(client, id=stranger_s.usage_id) == set()


def test_a_request_id_that_looks_like_the_id_of_a_call_is_found_too(client, wallet):
    call = placed(wallet, request_id="chatcmpl_mine")
    assert found(client, id="chatcmpl_mine") == {call.usage_id}


@pytest.mark.parametrize(("period", "days"), [("today", 0), ("7d", 6), ("30d", 29)])
def test_by_a_period_of_whole_days_in_utc(client, wallet, period, days):
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight - timedelta(days=days)
    inside = placed(wallet, at=first).usage_id
    placed(wallet, at=first - timedelta(microseconds=1))
    page = client.get("/usage/", {"period": period})
    assert listed(page) == [inside]
    assert f"since {first:%Y-%m-%d} 00:00 UTC" in text(page)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-03-01T10:00", "2026-03-01T10:00", {"10:00:00", "10:00:59"}),
        ("2026-03-01T10:00:30", "", {"10:00:59", "11:00:00", "23:59:59"}),
        ("", "2026-03-01T10:00:00", {"00:00:00", "10:00:00"}),
        ("2026-03-01", "2026-03-01", {"00:00:00", "10:00:00", "10:00:59", "11:00:00", "23:59:59"}),
        ("2026-03-01 10:01Z", "2026-03-01 23:59", {"11:00:00", "23:59:59"}),
    ],
)
def test_from_and_to_are_both_in_the_span(client, wallet, since, until, expected):
    times = ("00:00:00", "10:00:00", "10:00:59", "11:00:00", "23:59:59")
    calls = {time: placed(wallet, at=datetime.fromisoformat(f"2026-03-01T{time}Z")).usage_id for time in times}
    assert found(client, since=since, until=until) == {calls[time] for time in expected}
    assert found(client, period="custom", since=since, until=until) == {calls[time] for time in expected}


def test_a_span_is_only_asked_for_where_no_other_period_is_chosen(client, wallet):
    call = placed(wallet)
    page = client.get("/usage/?period=today&since=2020-01-01T00:00&until=2020-01-02T00:00")
    assert listed(page) == [call.usage_id]
    assert not any("since=" in link for link in read(page).links)


def test_filters_narrow_each_other(client, wallet, key):
    wanted = placed(wallet, key, model="a", request_id="x").usage_id
    placed(wallet, key, model="b", request_id="x")
    placed(wallet, model="a", request_id="x")
    placed(wallet, key, model="a")
    placed(wallet, key, model="a", request_id="x", at=timezone.now() - timedelta(days=8))
    ended = placed(wallet, key, model="a", request_id="x")
    holds.settle([charge(ended, "1")])
    assert found(client, key=key.pk, model="a", id="x", period="7d", outcome="running") == {wanted}


def test_older_pages_keep_the_filters(client, wallet, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 2)
    expected = []
    for number in range(10):
        call = placed(wallet, model="a" if number % 2 else "b")
        if number % 2:
            expected.insert(0, call.usage_id)
    seen, path = [], "/usage/?model=a"
    while path:
        page = client.get(path)
        seen.append(listed(page))
        older = [link for link in read(page).links if link.startswith("?") and "cursor=" in link]
        assert all("model=a" in link for link in older)
        path = f"/usage/{older[0]}" if older else None
    assert seen == [expected[:2], expected[2:4], expected[4:]]


def test_a_cursor_under_other_filters_shows_only_what_they_let_in(client, wallet, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 1)
    oldest, newer = placed(wallet, model="b"), placed(wallet, model="a")
    placed(wallet, model="a")
    cursor = next(link for link in read(client.get("/usage/?model=a")).links if "cursor=" in link).partition("cursor=")[2]
    page = client.get(f"/usage/?model=b&cursor={cursor}")
    assert listed(page) == [oldest.usage_id]
    assert newer.usage_id not in page.content.decode()


def test_a_receipt_leads_back_to_the_filtered_page(client, wallet):
    call = placed(wallet)
    link = next(link for link in read(client.get("/usage/?outcome=running")).links if link.startswith(f"/usage/{call.usage_id}/"))
    assert "/usage/?outcome=running" in read(client.get(link)).links


def test_each_filter_that_is_on_can_be_taken_off(client, wallet, key):
    placed(wallet, key, model="a")
    page = client.get("/usage/", {"key": key.pk, "model": "a", "outcome": "running", "since": "2026-03-01", "id": ""})
    assert {
        f"/usage/?period=custom&since=2026-03-01T00%3A00&key={key.pk}&model=a",
        f"/usage/?period=custom&since=2026-03-01T00%3A00&key={key.pk}&outcome=running",
        "/usage/?period=custom&since=2026-03-01T00%3A00&model=a&outcome=running",
        f"/usage/?key={key.pk}&model=a&outcome=running",
        "/usage/",
    } <= set(read(page).links)
    words = text(page)
    for chip in ("From 2026-03-01 00:00 UTC ×", "Key: backend ×", "Model: a ×", "Outcome: Running ×"):
        assert chip in words, chip
    assert "Clear all" in words


def test_without_a_match_it_says_so_and_offers_to_clear(client, wallet):
    placed(wallet)
    page = client.get("/usage/?outcome=lost")
    assert "No call matches these filters. Clear all filters" in text(page)
    assert "/usage/" in read(page).links


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("period=forever", "There is no period “forever”."),
        ("period=custom", "Write where the period begins, where it ends, or both."),
        ("since=yesterday", "Write a date and time in UTC, such as 2026-11-20 14:30."),
        ("since=2026-13-01T00:00", "Write a date and time in UTC"),
        ("until=2026-03-01T10:00%2B02:00", "Write a date and time in UTC"),
        ("until=9999-12-31T23:59", "Write a date and time in UTC"),
        ("since=2026-03-02T00:00&until=2026-03-01T00:00", "The end lies before the beginning."),
        ("period=7d&since=x", "Write a date and time in UTC"),
        ("key=0", "That is none of your keys."),
        ("key=x", "That is none of your keys."),
        ("key=99999999999999999999", "That is none of your keys."),
        ("key=%D9%A1", "That is none of your keys."),
        ("model=nothing", "No call of yours was answered by the model “nothing”."),
        ("outcome=free", "There is no outcome “free”."),
        ("id=a%00b", "Null characters are not allowed."),
        ("model=%00", "No call of yours was answered by the model"),
        (f"id={'x' * 129}", "Ensure this value has at most 128 characters"),
    ],
)
def test_nonsense_is_told_at_its_field_and_nothing_is_listed(client, wallet, query, message):
    placed(wallet)
    for headers in ({}, {"hx-request": "true"}):
        page = client.get(f"/usage/?{query}", headers=headers)
        assert message in text(page)
        assert listed(page) == []
        assert "Nothing is listed until the filters above are right." in text(page)


def test_a_search_that_takes_too_long_asks_for_a_shorter_period(client, wallet, monkeypatch):
    """Two filters that each let in very many calls and have none in common: no index has both."""
    monkeypatch.setattr(views, "MOST_TIME", "100ms")
    placed(wallet)
    with connection.cursor() as cursor:
        cursor.execute("alter table wallets_usagerecord rename to elsewhere")
        cursor.execute("create view wallets_usagerecord as select * from elsewhere where pg_sleep(0.3) is not null")
    page = client.get("/usage/?outcome=running")
    assert "There are too many calls to look through. Choose a shorter period." in text(page)
    assert listed(page) == []


def test_a_stranger_s_key_is_none_of_yours(client):
    assert "That is none of your keys." in text(client.get(f"/usage/?key={ApiKeyFactory().pk}"))


def test_what_is_searched_for_is_text_never_markup(client, wallet):
    placed(wallet)
    for query in ("id=<script>alert(1)</script>", "model=<script>alert(1)</script>", "since=<script>alert(1)</script>"):
        assert b"<script>alert" not in client.get(f"/usage/?{query}").content


def test_all_that_match_on_one_page_are_counted_and_summed(client, wallet):
    calls = [placed(wallet, model="a") for _ in range(2)]
    holds.settle([charge(call, "0.7501") for call in calls])
    assert "2 calls that match: 1.5002 credits charged." in text(client.get("/usage/?model=a"))
    assert "2 calls: 1.5002 credits charged." in text(client.get("/usage/"))


def test_somebody_signed_out_meanwhile_is_sent_to_sign_in_as_a_whole_page(client):
    client.logout()
    response = client.get("/usage/?outcome=lost", headers={"hx-request": "true"})
    assert response.status_code == 200
    assert response.headers["HX-Redirect"] == "/accounts/login/?next=/usage/%3Foutcome%3Dlost"


def test_htmx_is_told_the_address_without_what_was_left_empty(client, wallet):
    placed(wallet)
    page = client.get("/usage/?period=&since=&until=&key=&model=&outcome=running&id=", headers={"hx-request": "true"})
    assert page.headers["HX-Push-Url"] == "/usage/?outcome=running"
    assert b"<html" in page.content, "hx-select takes the list and its filters out of the page"


def test_what_is_wrong_is_told_above_the_list_also_where_more_rows_were_asked_for(client, wallet):
    placed(wallet)
    page = client.get("/usage/?outcome=free&cursor=x", headers={"hx-request": "true"})
    assert "There is no outcome “free”." in text(page)
    assert (page.headers["HX-Retarget"], page.headers["HX-Reselect"]) == ("#usage", "#usage")


def test_a_page_brought_back_by_the_browser_s_history_is_whole(client, wallet, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 1)
    placed(wallet), placed(wallet)
    older = next(link for link in read(client.get("/usage/")).links if link.startswith("?cursor="))
    page = client.get(f"/usage/{older}", headers={"hx-request": "true", "hx-history-restore-request": "true"})
    assert b"<html" in page.content
    assert "HX-Request" in page.headers["Vary"]


@pytest.mark.parametrize("spelt", [str, str.lower, str.upper, lambda given: f" {given.lower()} "])
def test_an_id_of_ours_is_found_in_any_letters(client, wallet, spelt):
    request_id = new_id("req")
    mine = placed(wallet, request_id=request_id, usage_id=new_id("chatcmpl")).usage_id
    placed(wallet, request_id=new_id("req"))
    assert found(client, id=spelt(mine)) == {mine}
    assert found(client, id=spelt(request_id)) == {mine}


def test_an_id_of_the_caller_is_found_as_it_is_written(client, wallet):
    mine = placed(wallet, request_id="Job-7").usage_id
    assert found(client, id="Job-7") == {mine}
    assert found(client, id="job-7") == set()


def charged(wallet, credits, **fields):
    call = placed(wallet, **fields)
    holds.settle([charge(call, credits)])
    return call


def test_more_calls_than_a_page_shows_are_counted_and_summed(client, wallet, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 2)
    for _ in range(3):
        charged(wallet, "2.5", model="a")
    charged(wallet, "1", model="b")
    assert "4 calls: 8.5000 credits charged. The newest 2 are listed." in text(client.get("/usage/"))
    assert "3 calls that match: 7.5000 credits charged. The newest 2 are listed." in text(client.get("/usage/?model=a"))


def test_the_sum_stops_at_the_newest_so_many(wallet):
    for credits in ("8", "4", "2"):
        charged(wallet, credits)
    records = UsageRecord.objects.of_wallet(wallet)
    assert records.total(most=2) == Total(calls=2, replays=0, charged=6, refunded=0, is_all=False)
    assert records.total(most=3) == Total(calls=3, replays=0, charged=14, refunded=0, is_all=True)
    assert UsageRecord.objects.none().total(most=1) == Total(calls=0, replays=0, charged=0, refunded=0, is_all=True)


def test_an_answer_that_was_sent_again_is_counted_as_no_call(client, wallet, monkeypatch):
    charged(wallet, "4")
    replayed(wallet)
    assert "1 call and 1 replay: 4.0000 credits charged." in text(client.get("/usage/"))
    assert "0 calls and 1 replay that matches: 0.0000 credits charged." in text(client.get("/usage/", {"outcome": "replay"}))
    replayed(wallet)
    records = UsageRecord.objects.of_wallet(wallet)
    assert records.total(most=2) == Total(calls=0, replays=2, charged=0, refunded=0, is_all=False)
    assert records.total(most=3) == Total(calls=1, replays=2, charged=4, refunded=0, is_all=True)
    monkeypatch.setattr(views, "PAGE_SIZE", 1)
    assert "1 call and 2 replays: 4.0000 credits charged. The newest 1 are listed." in text(client.get("/usage/"))


def test_what_was_refunded_stands_beside_what_was_charged(client, wallet, monkeypatch):
    charged(wallet, "4")
    call = charged(wallet, "0.7259")
    refund(call.usage_id, credits=Decimal("0.7259"), reference=f"refund:{call.usage_id}:1")
    words = text(client.get("/usage/", {"id": call.usage_id}))
    assert "1 call that matches: 0.7259 credits charged, 0.7259 refunded." in words
    assert "0.7259 refunded 0.7259" in words
    assert text(client.get("/usage/")).count("refunded 0.7259") == 1, "at the row of the other call there is nothing to say"
    records = UsageRecord.objects.of_wallet(wallet)
    assert records.total(most=2) == Total(calls=2, replays=0, charged=Decimal("4.7259"), refunded=Decimal("0.7259"))
    monkeypatch.setattr(views, "PAGE_SIZE", 1)
    assert "2 calls: 4.7259 credits charged, 0.7259 refunded. The newest 1 are listed." in text(client.get("/usage/"))


def replayed(wallet):
    closed = {"status": "released", "clause": "replay", "closed_at": timezone.now()}
    UsageRecord.objects.create(id=new_id("chatcmpl"), wallet=wallet, capability="chat", hold_credits=0, **closed)


def test_beyond_that_many_it_says_more_than(client, wallet, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 1)
    monkeypatch.setattr(views, "MOST_SUMMED", 2)
    for credits in ("8", "4", "2"):
        charged(wallet, credits)
    assert "More than 2 calls: 6.0000 credits charged for the newest 2 of them." in text(client.get("/usage/"))


def test_a_sum_that_takes_too_long_is_left_out(client, wallet, monkeypatch):
    monkeypatch.setattr(views, "PAGE_SIZE", 1)
    monkeypatch.setattr(views, "MOST_TIME_OF_SUM", "1ms")
    monkeypatch.setattr(UsageQuerySet, "total", lambda *_, **__: connection.cursor().execute("select pg_sleep(1)"))
    for _ in range(2):
        placed(wallet)
    page = client.get("/usage/")
    assert "The newest 1 calls." in text(page)
    assert len(listed(page)) == 1
