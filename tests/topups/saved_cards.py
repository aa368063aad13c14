"""Wallets with a saved card, entered at the sandbox's page, as far as pytest's own process is concerned."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import httpx
from django.db import transaction
from django.utils import timezone

from accounts.models import Notice
from tests.factories import WalletFactory
from wallets import ledger
from wallets.automatic_top_ups import cards, terms
from wallets.models import AutoTopUp, TopUp, Wallet
from wallets.top_ups import payments

PAYS = "4242424242424242"
PAYS_TOO = "5555555555554444"
DECLINED = "4000000000000341"
WANTS_ITS_OWNER = "4000002760003184"

CHARGES = ("POST", "/v1/payment_intents")
"""What a charge asks the provider."""


def enter(wallet: Wallet, number: str = PAYS) -> None:
    """Enter a card at the provider's page. Nothing is told to us."""
    response = httpx.post(cards.enter(wallet), data={"number": number}, timeout=60)
    assert response.status_code == 303, response.text


def saved(wallet: Wallet, number: str = PAYS) -> AutoTopUp:
    """Enter a card and have the provider asked for it."""
    enter(wallet, number)
    assert cards.ask_of(wallet) == "card_saved"
    return AutoTopUp.objects.get(wallet=wallet)


def switched_on(
    number: str = PAYS,
    *,
    balance: Decimal | str | int = 100,
    threshold: int = 1000,
    amount: str = "10.00",
    ceiling: str = "100.00",
    **of: Any,
) -> AutoTopUp:
    """Automatic top-ups of a new wallet with `balance` credits, switched on by its customer."""
    wallet = WalletFactory(balance=balance)
    saved(wallet, number)
    terms.save(
        wallet,
        threshold_credits=Decimal(threshold),
        amount_usd=Decimal(amount),
        monthly_ceiling_usd=Decimal(ceiling),
        switch_on=True,
        actor=wallet.account.user,
    )
    return AutoTopUp.objects.get(wallet=wallet)


def allow(auto: AutoTopUp) -> None:
    """Its customer presses Allow, as after another card was saved."""
    terms.save(
        auto.wallet,
        threshold_credits=auto.threshold_credits,
        amount_usd=auto.amount_usd,
        monthly_ceiling_usd=auto.monthly_ceiling_usd,
        switch_on=True,
        actor=auto.wallet.account.user,
    )


def of(auto: AutoTopUp) -> list[TopUp]:
    """The automatic top-ups of a wallet, oldest first."""
    return list(TopUp.objects.filter(wallet=auto.wallet_id, kind="auto").order_by("created_at", "id"))


def statuses(auto: AutoTopUp) -> list[str]:
    return [top_up.status for top_up in of(auto)]


def payment(top_up: TopUp, **fields: Any) -> dict[str, Any]:
    """A PaymentIntent that succeeded, as Stripe tells of it."""
    cents = int(top_up.amount_usd * 100)
    return {
        "id": top_up.payment_id or f"pi_{top_up.pk}",
        "object": "payment_intent",
        "amount": cents,
        "amount_received": cents,
        "currency": "usd",
        "customer": top_up.customer_id,
        "metadata": {"top_up": top_up.pk, "account": str(top_up.wallet.account_id)},
        "status": "succeeded",
        **fields,
    }


def again(auto: AutoTopUp) -> None:
    """Its time has come again."""
    AutoTopUp.objects.filter(pk=auto.pk).update(next_try_at=timezone.now())


def now_as(auto: AutoTopUp) -> AutoTopUp:
    return AutoTopUp.objects.get(pk=auto.pk)


def told(auto: AutoTopUp, kind: str) -> int:
    return Notice.objects.filter(account=auto.wallet.account_id, kind=kind).count()


def balance(auto: AutoTopUp) -> Decimal:
    return Wallet.objects.get(pk=auto.wallet_id).balance


def dip(auto: AutoTopUp, *, to: int = 100) -> None:
    """Spend, or be given, credits until there are so many."""
    amount = Decimal(to) - balance(auto)
    with transaction.atomic():
        ledger.credit(auto.wallet_id, kind="adjustment", amount=amount, reference=f"adjustment:{os.urandom(8).hex()}", reason="spent")


def made_at_the_provider(auto: AutoTopUp) -> int:
    provider = payments.by_name(auto.provider)
    assert provider is not None
    return len(payments.ask(lambda client: client.v1.payment_intents.list({"customer": auto.customer_id}), provider)["data"])
