"""GET /v1/wallet over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from tests.answers import assert_shape
from tests.gate import Gate, calling
from wallets.answers import WalletAnswer
from wallets.models import CreditsPerUsdRate, Wallet


def test_a_wallet_says_what_it_has(customer):
    response = customer(balance="12.5").http.get("/wallet")
    assert_shape(response.json(), WalletAnswer)
    assert response.json() == {
        "object": "wallet",
        "balance": "12.5000",
        "held": "0.0000",
        "available": "12.5000",
        "credits_per_usd_rate": "1000.0000",
    }


def test_what_calls_in_flight_hold_is_not_available(customer, gate: Gate):
    owner = customer()
    with calling(owner, gate.text):
        gate.wait()
        told = owner.http.get("/wallet").json()
        held = owner.wallet.held
        gate.open()
    assert held > 0
    assert (told["balance"], told["held"], told["available"]) == ("1000.0000", str(held), str(1000 - held))
    assert owner.http.get("/wallet").json()["balance"] == str(1000 - owner.record.charged_credits)


def test_a_wallet_of_its_own_rate_shows_that(customer):
    owner = customer()
    CreditsPerUsdRate.objects.create(wallet=owner.wallet, value=Decimal(500), reason="a deal")
    assert owner.http.get("/wallet").json()["credits_per_usd_rate"] == "500.0000"


@pytest.fixture
def no_rates(site: Any) -> Iterator[None]:
    """A site that was never seeded with a rate."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("create temp table kept as table wallets_creditsperusdrate")
        cursor.execute("set local beatra.allow_truncate = 'on'; truncate wallets_creditsperusdrate")
    yield
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("insert into wallets_creditsperusdrate overriding system value table kept; drop table kept")


def test_what_needs_no_rate_does_without_one(customer, no_rates: None):
    """The wallet is shown in USD, the quote is not."""
    owner = customer()
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    assert owner.http.get("/wallet").status_code == 500
    assert owner.http.post("/chat/completions/quote", json=body).json()["available_credits"] == "1000.0000"


def test_a_wallet_below_zero_says_so(customer):
    owner = customer(balance="0")
    Wallet.objects.filter(pk=owner.wallet.pk).update(balance=Decimal("-0.5"))
    told = owner.http.get("/wallet").json()
    Wallet.objects.filter(pk=owner.wallet.pk).update(balance=0)
    assert_shape(told, WalletAnswer)
    assert (told["balance"], told["available"]) == ("-0.5000", "-0.5000")
