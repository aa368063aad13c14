"""Saved cards: customers, the pages where a card is entered, and payments while its owner is away, as Stripe writes them."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from beatra_site.sandbox.checkout.book import KEPT, new_id

T = TypeVar("T")

# By number: the brand, and what the bank says to a payment without its owner (Stripe's own test cards)
SAVED: Final = {
    "4242424242424242": ("visa", ""),
    "5555555555554444": ("mastercard", ""),
    "4000000000000341": ("visa", "generic_decline"),
    "4000002760003184": ("visa", "authentication_required"),
}


@dataclass
class Customer:
    """Whom cards belong to. Webhooks about his payments go to the site where he entered the last one."""

    metadata: dict[str, str]
    email: str
    id: str = field(default_factory=lambda: new_id("cus"))
    success_url: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "object": "customer", "email": self.email or None, "livemode": False, "metadata": self.metadata}


@dataclass
class Card:
    """A PaymentMethod, attached until it is detached."""

    customer: Customer | None
    brand: str
    last4: str
    refusal: str
    id: str = field(default_factory=lambda: new_id("pm"))

    def as_json(self) -> dict[str, Any]:
        card = {"brand": self.brand, "last4": self.last4, "exp_month": 12, "exp_year": 2034, "country": "US", "funding": "credit"}
        customer = self.customer.id if self.customer else None
        return {"id": self.id, "object": "payment_method", "type": "card", "card": card, "customer": customer, "livemode": False}


@dataclass
class Setup:
    """A Checkout Session that saves a card, and its SetupIntent."""

    customer: Customer
    reference: str
    metadata: dict[str, str]
    success_url: str
    cancel_url: str
    expires_at: int
    url: str = ""
    id: str = field(default_factory=lambda: new_id("cs_test"))
    intent_id: str = field(default_factory=lambda: new_id("seti"))
    card: Card | None = None

    @property
    def status(self) -> str:
        if self.card is not None:
            return "complete"
        return "open" if time.time() < self.expires_at else "expired"

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "checkout.session",
            "amount_total": None,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.reference or None,
            "currency": None,
            "customer": self.customer.id,
            "expires_at": self.expires_at,
            "livemode": False,
            "metadata": self.metadata,
            "mode": "setup",
            "payment_intent": None,
            "payment_status": "no_payment_required",
            "setup_intent": self.intent_id,
            "status": self.status,
            "success_url": self.success_url,
            "url": self.url if self.status == "open" else None,
        }

    def intent_as_json(self, *, expand: bool) -> dict[str, Any]:
        method = None if self.card is None else self.card.as_json() if expand else self.card.id
        return {
            "id": self.intent_id,
            "object": "setup_intent",
            "customer": self.customer.id,
            "metadata": self.metadata,
            "payment_method": method,
            "status": "requires_payment_method" if self.card is None else "succeeded",
            "usage": "off_session",
        }


@dataclass
class CardPayment:
    """A PaymentIntent, confirmed when it was made."""

    amount: int
    currency: str
    customer: Customer
    card: Card
    metadata: dict[str, str]
    id: str = field(default_factory=lambda: new_id("pi"))
    charge_id: str = field(default_factory=lambda: new_id("ch"))
    created: int = field(default_factory=lambda: int(time.time()))
    canceled_at: int | None = None
    cancellation_reason: str | None = None

    @property
    def status(self) -> str:
        if self.canceled_at is not None:
            return "canceled"
        return "requires_payment_method" if self.error else "succeeded"

    @property
    def error(self) -> dict[str, Any] | None:
        if not self.card.refusal:
            return None
        if self.card.refusal == "authentication_required":
            message = "Your card was declined. This transaction requires authentication."
            return {"type": "card_error", "code": self.card.refusal, "decline_code": self.card.refusal, "message": message}
        return {"type": "card_error", "code": "card_declined", "decline_code": self.card.refusal, "message": "Your card was declined."}

    def as_json(self) -> dict[str, Any]:
        error = self.error
        return {
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_received": 0 if error else self.amount,
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer.id,
            "last_payment_error": error,
            "latest_charge": self.charge_id,
            "livemode": False,
            "metadata": self.metadata,
            "payment_method": None if error else self.card.id,
            "status": self.status,
        }


class Newest(OrderedDict[str, T]):
    """The newest KEPT of what was put in."""

    def __setitem__(self, key: str, value: T) -> None:
        super().__setitem__(key, value)
        while len(self) > KEPT:
            self.popitem(last=False)


class Cards:
    """The newest of each, by id."""

    def __init__(self) -> None:
        self.customers: Newest[Customer] = Newest()
        self.setups: Newest[Setup] = Newest()
        self.cards: Newest[Card] = Newest()
        self.payments: Newest[CardPayment] = Newest()
        # By Idempotency-Key: the digest of the request's body, and its answer or its error
        self.answers: Newest[tuple[bytes, dict[str, Any] | Exception]] = Newest()

    def save(self, setup: Setup, number: str) -> None:
        """The card of that number was entered."""
        brand, refusal = SAVED[number]
        setup.card = Card(customer=setup.customer, brand=brand, last4=number[-4:], refusal=refusal)
        setup.customer.success_url = setup.success_url
        self.cards[setup.card.id] = setup.card
