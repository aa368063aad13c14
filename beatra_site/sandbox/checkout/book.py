"""What the payment provider remembers: checkouts, payments, disputes, and how Stripe writes them."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

# The oldest of more is forgotten
KEPT = 10_000


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass
class Dispute:
    """A payment that the customer's bank took back."""

    amount: int
    id: str = field(default_factory=lambda: new_id("du"))
    status: str = "needs_response"


@dataclass
class Payment:
    """Money that was taken, or is on its way. Amounts in cents."""

    amount: int
    currency: str
    metadata: dict[str, str]
    id: str = field(default_factory=lambda: new_id("pi"))
    charge_id: str = field(default_factory=lambda: new_id("ch"))
    refunded: int = 0
    dispute: Dispute | None = None

    def as_json(self) -> dict[str, Any]:
        """A PaymentIntent."""
        return {
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "currency": self.currency,
            "latest_charge": self.charge_id,
            "metadata": self.metadata,
        }

    def charge_as_json(self) -> dict[str, Any]:
        return {
            "id": self.charge_id,
            "object": "charge",
            "amount": self.amount,
            "amount_refunded": self.refunded,
            "currency": self.currency,
            "disputed": self.dispute is not None,
            "metadata": self.metadata,
            "paid": True,
            "payment_intent": self.id,
            "refunded": self.refunded == self.amount,
        }

    def dispute_as_json(self) -> dict[str, Any]:
        assert self.dispute is not None
        return {
            "id": self.dispute.id,
            "object": "dispute",
            "amount": self.dispute.amount,
            "charge": self.charge_id,
            "currency": self.currency,
            "metadata": {},
            "payment_intent": self.id,
            "reason": "fraudulent",
            "status": self.dispute.status,
        }


@dataclass
class Session:
    """A checkout: open until it is complete or expired; `paid` once the money has come, which may be after it was complete."""

    url: str
    amount: int
    currency: str
    product: str
    reference: str
    metadata: dict[str, str]
    payment_metadata: dict[str, str]
    email: str
    success_url: str
    cancel_url: str
    expires_at: int
    id: str = field(default_factory=lambda: f"cs_test_{secrets.token_hex(24)}")
    created: int = field(default_factory=lambda: int(time.time()))
    status: str = "open"
    paid: bool = False
    # Of money on its way: it will not come
    bounces: bool = False
    lost: bool = False
    payment: Payment | None = None

    @property
    def on_its_way(self) -> bool:
        return self.status == "complete" and not self.paid and not self.lost

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": self.amount,
            "amount_total": self.amount,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.reference or None,
            "created": self.created,
            "currency": self.currency,
            "customer_email": self.email or None,
            "expires_at": self.expires_at,
            "livemode": False,
            "metadata": self.metadata,
            "mode": "payment",
            "payment_intent": self.payment.id if self.payment else None,
            "payment_status": "paid" if self.paid else "unpaid",
            "status": self.status,
            "success_url": self.success_url,
            "url": self.url if self.status == "open" else None,
        }


class Book:
    """The newest checkouts and their payments."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._payments: dict[str, Session] = {}
        # By Idempotency-Key: the digest of the request's body, and the checkout it made
        self.made: OrderedDict[str, tuple[bytes, Session]] = OrderedDict()

    def add(self, session: Session) -> None:
        self._sessions[session.id] = session
        while len(self._sessions) > KEPT:
            _, oldest = self._sessions.popitem(last=False)
            if oldest.payment:
                self._payments.pop(oldest.payment.id, None)
        while len(self.made) > KEPT:
            self.made.popitem(last=False)

    def session(self, id: str) -> Session | None:
        return self._sessions.get(id)

    def pay(self, session: Session) -> Payment:
        """The payment of a checkout, made now."""
        session.payment = Payment(amount=session.amount, currency=session.currency, metadata=session.payment_metadata)
        self._payments[session.payment.id] = session
        return session.payment

    def paid_by(self, payment_id: str) -> Session | None:
        """The checkout of a payment."""
        return self._payments.get(payment_id)
