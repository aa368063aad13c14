"""The ledger as a file: all of it, in its order, for its owner alone."""

from __future__ import annotations

import asyncio
import csv
import io
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client

from contract import limits
from tests.browsing import browser
from tests.contract.wire import eventually
from tests.factories import WalletFactory
from tests.wallets.calls import charge, hold
from wallets import holds, ledger_export
from wallets.models import LedgerEntry

FILE = "/wallet/ledger.csv"


def session_of(user, *, url):
    """The cookie of a browser that is signed in at `url`, whose port is in its name."""
    client = Client()
    client.force_login(user)
    return {f"session{urlsplit(url).port}": client.session.session_key}


@pytest.mark.django_db
def test_a_stranger_is_sent_to_sign_in():
    assert browser().get(FILE).headers["Location"] == f"/accounts/login/?next={FILE}"


def test_every_entry_is_in_the_file_oldest_first_and_nobody_elses(committed, site):
    wallet = WalletFactory(balance=100)
    WalletFactory(balance=7)
    for credits in ("1.5", "2"):
        call = hold(wallet, credits, model="MiniMax-M2.7")
        holds.place([call])
        holds.settle([charge(call, credits)])
    answer = httpx.get(f"{site.url}{FILE}", cookies=session_of(wallet.account.user, url=site.url))
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment; filename=" in answer.headers["Content-Disposition"]
    assert "no-store" in answer.headers["Cache-Control"]
    header, *rows = csv.reader(io.StringIO(answer.text))
    assert tuple(header) == ledger_export.COLUMNS
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert [row[2:5] + row[6:] for row in rows] == [
        ["grant", "100.0000", "100.0000", ""],
        ["charge", "-1.5000", "98.5000", "MiniMax-M2.7"],
        ["charge", "-2.0000", "96.5000", "MiniMax-M2.7"],
    ]
    assert [row[5] for row in rows] == list(LedgerEntry.objects.filter(wallet=wallet).order_by("seq").values_list("reference", flat=True))


def test_it_comes_in_pieces_without_a_gap(committed, monkeypatch):
    monkeypatch.setattr(ledger_export, "PIECE", 2)
    wallet = WalletFactory(balance=100)
    for _ in range(4):
        call = hold(wallet, 1)
        holds.place([call])
        holds.settle([charge(call, 1)])

    async def pieces():
        return [piece async for piece in ledger_export.rows_of(wallet.pk)]

    came = async_to_sync(pieces)()
    assert len(came) == 1 + 3
    assert [row[0] for row in csv.reader(io.StringIO(b"".join(came[1:]).decode()))] == ["1", "2", "3", "4", "5"]


def with_a_long_ledger():
    """A wallet with more entries than all buffers between a server and a caller hold."""
    wallet = WalletFactory(balance=0)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            insert into wallets_ledgerentry (wallet_id, seq, kind, amount, balance_after, reference, reason, created_at)
            select %(wallet)s, %(before)s + n, 'adjustment', case when n %% 2 = 1 then 1 else -1 end, n %% 2,
                   'adjustment:' || %(wallet)s || ':' || n || repeat('x', 70), 'r', now()
              from generate_series(1, 40000) n
            """,
            {"wallet": wallet.pk, "before": wallet.entries},
        )
        cursor.execute("update wallets_wallet set entries = entries + 40000 where id = %s", [wallet.pk])
    return wallet


def ask_and_not_read(url, cookies):
    """A connection over which a file was asked for, and whose answer's first bytes have come."""
    target = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect((target.hostname, target.port))
    ((name, value),) = cookies.items()
    connection.sendall(f"GET {FILE} HTTP/1.1\r\nHost: {target.netloc}\r\nCookie: {name}={value}\r\n\r\n".encode())
    return connection, connection.recv(12)


def test_exports_that_nobody_reads_hold_nothing_that_others_need(committed, site, customer):
    web = site.start_web({"DATABASE_POOL_SIZE": "2"})
    another = customer()
    with ExitStack() as stack:
        for _ in range(3):
            cookies = session_of(with_a_long_ledger().account.user, url=web.url)
            for _ in range(4):
                unread, began = ask_and_not_read(web.url, cookies)
                stack.callback(unread.close)
                assert began in (b"HTTP/1.1 200", b"HTTP/1.1 429")
        cookies = session_of(another.account.user, url=web.url)
        for _ in range(3):
            assert httpx.get(f"{web.url}/wallet/", cookies=cookies, timeout=30).status_code == 200
            assert httpx.get(f"{web.v1}/wallet", headers=another.headers, timeout=30).status_code == 200
            assert httpx.get(f"{web.v1}/usage/chatcmpl_none", headers=another.headers, timeout=30).status_code == 404
    web.stop()


def test_two_of_a_wallet_are_sent_at_once_and_one_that_ended_makes_room(committed, site):
    wallet = with_a_long_ledger()
    cookies = session_of(wallet.account.user, url=site.url)
    with ExitStack() as stack:
        opened = [ask_and_not_read(site.url, cookies) for _ in range(ledger_export.MOST_AT_ONCE)]
        for unread, began in opened:
            stack.callback(unread.close)
            assert began == b"HTTP/1.1 200"
        refused = httpx.get(f"{site.url}{FILE}", cookies=cookies)
        assert refused.status_code == 429
        assert "Your ledger is being downloaded already." in refused.text
        opened[0][0].close()
        assert eventually(lambda: httpx.get(f"{site.url}{FILE}", cookies=cookies, timeout=60).status_code == 200, seconds=30)


def test_one_that_is_not_read_on_is_ended(monkeypatch):
    monkeypatch.setattr(limits, "UNREAD_SECONDS", 0.01)

    async def flow():
        async def pieces():
            yield b"a"
            yield b"b"

        ended = asyncio.Event()
        read = ledger_export.read_in_time(pieces(), abort=ended.set)
        assert await anext(read) == b"a"
        await asyncio.wait_for(ended.wait(), 30)
        monkeypatch.setattr(limits, "UNREAD_SECONDS", 60)
        ended.clear()
        assert [piece async for piece in read] == [b"b"]
        assert not ended.is_set()

    asyncio.run(flow())
