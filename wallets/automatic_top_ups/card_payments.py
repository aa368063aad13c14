"""Saved cards at the payment provider: saving one, charging it while its owner is away, forgetting it. Stripe's, by its SDK.

Nothing here touches the database, and nothing here is called inside a transaction. Everything may raise payments.ProviderError.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.urls import reverse

from wallets.models import AutoTopUp, TopUp
from wallets.top_ups import payments
from wallets.top_ups.payments import Configured, Opened, ProviderError, UnknownSessionError, ask, text


def make_customer(provider: Configured, auto: AutoTopUp) -> str:
    """The id of the customer that a wallet's cards belong to; asked again for the same `setup_id`, the same one."""
    account = auto.wallet.account
    params: Any = {"email": account.user.email, "metadata": {"account": str(account.pk)}}
    options: Any = {"idempotency_key": f"customer:{account.pk}:{auto.setup_id}"}
    found = ask(lambda client: client.v1.customers.create(params, options), provider)
    if not (customer_id := text(found.get("id"))):
        raise ProviderError("no customer in the answer")
    return customer_id


def open_setup(provider: Configured, auto: AutoTopUp, *, customer_id: str) -> Opened:
    """Make the page where a card is entered; asked again for the same `setup_id`, the provider answers with the one it made."""
    assert auto.setup_expires_at is not None
    back = f"{settings.SITE_URL}{reverse('wallets:auto_top_up')}"
    named = {"card_setup": auto.setup_id, "account": str(auto.wallet.account_id)}
    params: Any = {
        "mode": "setup",
        "customer": customer_id,
        "payment_method_types": ["card"],
        "client_reference_id": auto.setup_id,
        "metadata": named,
        "setup_intent_data": {"metadata": named},
        "expires_at": int(auto.setup_expires_at.timestamp()),
        "success_url": f"{back}?saved=1",
        "cancel_url": back,
    }
    found = ask(lambda client: client.v1.checkout.sessions.create(params, {"idempotency_key": f"setup:{auto.setup_id}"}), provider)
    opened = Opened(text(found.get("id")), text(found.get("url")))
    if not opened.id or not opened.url:
        raise ProviderError("no checkout in the answer")
    return opened


@dataclass(frozen=True, slots=True)
class SavedCard:
    """A card as the provider tells of it once it is saved. `expires` is MM/YYYY."""

    customer_id: str
    payment_method_id: str
    brand: str
    last4: str
    expires: str


@dataclass(frozen=True, slots=True)
class Setup:
    """The page where a card is entered, as the provider tells of it. `account` and `setup_id` as we named them.

    `card` is none until the provider was asked for it (`with_card`).
    """

    id: str
    mode: str
    status: str  # open, complete, expired
    customer_id: str
    setup_id: str
    account: str
    intent_id: str
    card: SavedCard | None = None


def read_setup(session: Mapping[str, Any]) -> Setup:
    """The setup in a Checkout Session's JSON."""
    named = session.get("metadata")
    named = named if isinstance(named, dict) else {}
    return Setup(
        id=text(session.get("id")),
        mode=text(session.get("mode")),
        status=text(session.get("status")),
        customer_id=text(session.get("customer")),
        setup_id=text(session.get("client_reference_id")) or text(named.get("card_setup")),
        account=text(named.get("account")),
        intent_id=text(session.get("setup_intent")),
    )


def with_card(provider: Configured, setup: Setup) -> Setup:
    """The same with the card that was entered, if it is complete."""
    if setup.status != "complete" or not setup.intent_id:
        return setup
    return replace(setup, card=_card(provider, setup.intent_id))


def look_up_setup(provider: Configured, session_id: str) -> Setup:
    """Ask how the entering of a card stands, and for the card. Raises UnknownSessionError when the provider has none such."""
    return with_card(provider, read_setup(ask(lambda client: client.v1.checkout.sessions.retrieve(session_id), provider)))


def _card(provider: Configured, intent_id: str) -> SavedCard | None:
    intent = ask(lambda client: client.v1.setup_intents.retrieve(intent_id, {"expand": ["payment_method"]}), provider)
    method = intent.get("payment_method")
    card = method.get("card") if isinstance(method, dict) else None
    if text(intent.get("status")) != "succeeded" or not isinstance(card, dict):
        return None
    month, year = card.get("exp_month"), card.get("exp_year")
    return SavedCard(
        customer_id=text(intent.get("customer")),
        payment_method_id=text(method),
        brand=text(card.get("brand"))[:32],
        last4=text(card.get("last4"))[:4],
        expires=f"{month:02}/{year:04}" if isinstance(month, int) and isinstance(year, int) else "",
    )


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment by a saved card as the provider tells of it: `amount` and `received` in cents, `account` and `top_up` as we named them."""

    id: str
    status: str
    amount: int | None
    received: int | None
    currency: str
    customer_id: str
    top_up: str
    account: str
    failure: str


def read_payment(found: Mapping[str, Any]) -> Payment:
    """The payment in a PaymentIntent's JSON."""
    named, error = found.get("metadata"), found.get("last_payment_error")
    named = named if isinstance(named, dict) else {}
    error = error if isinstance(error, dict) else {}
    return Payment(
        id=text(found.get("id")),
        status=text(found.get("status")),
        amount=found.get("amount"),
        received=found.get("amount_received"),
        currency=text(found.get("currency")),
        customer_id=text(found.get("customer")),
        top_up=text(named.get("top_up")),
        account=text(named.get("account")),
        failure=text(error.get("decline_code")) or text(error.get("code")),
    )


def charge(provider: Configured, top_up: TopUp) -> Payment:
    """Charge the top-up's card; asked again before `expires_at`, the provider answers for the one payment that it made, or makes it.

    Raises payments.RefusedQuestionError when nothing was paid (DeclinedError: the bank said no). After any other ProviderError
    nobody knows.
    """
    named = {"top_up": top_up.pk, "account": str(top_up.wallet.account_id)}
    # All of it from the row, which does not change: an idempotency key stands for one question
    params: Any = {
        "amount": payments.cents(top_up.amount_usd),
        "currency": top_up.currency,
        "customer": top_up.customer_id,
        "payment_method": top_up.payment_method_id,
        "payment_method_types": ["card"],
        "off_session": "true",
        "confirm": "true",
        "description": f"beatra credits: {top_up.credits:,f}",
        "metadata": named,
    }
    return read_payment(ask(lambda client: client.v1.payment_intents.create(params, {"idempotency_key": f"auto:{top_up.pk}"}), provider))


def look_up(provider: Configured, payment_id: str) -> Payment:
    """Ask how a payment stands. Raises UnknownSessionError when the provider has none such."""
    return read_payment(ask(lambda client: client.v1.payment_intents.retrieve(payment_id), provider))


def cancel(provider: Configured, payment_id: str) -> Payment:
    """Have a payment made no more. Raises payments.RefusedQuestionError when it was made, or cancelled before."""
    params: Any = {"cancellation_reason": "abandoned"}
    return read_payment(ask(lambda client: client.v1.payment_intents.cancel(payment_id, params), provider))


def find(provider: Configured, top_up: TopUp) -> Payment | None:
    """The payment of a top-up that we never heard the name of, among its customer's since; None when there is none."""
    params: Any = {"customer": top_up.customer_id, "created": {"gte": int(top_up.created_at.timestamp()) - 60}, "limit": 100}
    found = ask(lambda client: client.v1.payment_intents.list(params), provider)
    made = (read_payment(one) for one in found.get("data") or () if isinstance(one, dict))
    return next((payment for payment in made if payment.top_up == top_up.pk), None)


def forget_all_but(provider: Configured, *, customer_id: str, payment_method_id: str) -> None:
    """Detach every card of a customer but one, or all if that is empty. Raises UnknownSessionError when there is no such customer."""
    params: Any = {"type": "card", "limit": 100}
    found = ask(lambda client: client.v1.customers.payment_methods.list(customer_id, params), provider)
    for method in found.get("data") or ():
        if (old := text(method)) and old != payment_method_id:
            _forget(provider, old)


def _forget(provider: Configured, payment_method_id: str) -> None:
    # One that is gone already is no reason to keep the others
    with suppress(UnknownSessionError):
        ask(lambda client: client.v1.payment_methods.detach(payment_method_id), provider)
