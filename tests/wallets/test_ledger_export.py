"""The ledger as a file: all of it, in its order, for its owner alone."""

from __future__ import annotations

import csv
import io
from urllib.parse import urlsplit

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from tests.browsing import browser
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
