"""GET /v1/wallet over HTTP."""

from __future__ import annotations

from decimal import Decimal

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


def test_a_wallet_below_zero_says_so(customer):
    owner = customer(balance="0")
    Wallet.objects.filter(pk=owner.wallet.pk).update(balance=Decimal("-0.5"))
    told = owner.http.get("/wallet").json()
    Wallet.objects.filter(pk=owner.wallet.pk).update(balance=0)
    assert_shape(told, WalletAnswer)
    assert (told["balance"], told["available"]) == ("-0.5000", "-0.5000")
