"""What can happen to a checkout and its payment, each with the webhook that tells of it. What can't happen any more does nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from beatra_site.sandbox.checkout.book import Book, Dispute, Session
from beatra_site.sandbox.checkout.deliveries import Deliveries

LATER_SECONDS: Final = 20
"""How long a transfer from a bank takes here."""


class Events:
    """The life of the checkouts in `book`."""

    def __init__(self, book: Book, deliveries: Deliveries) -> None:
        self._book = book
        self._tell = deliveries.tell

    def open(self, session: Session) -> None:
        """A checkout was made; it expires by itself."""
        self._book.add(session)
        asyncio.get_running_loop().call_later(max(0.0, session.expires_at - time.time()), self.expire, session)

    def expire(self, session: Session) -> None:
        if session.status == "open":
            session.status = "expired"
            self._tell(session, "checkout.session.expired", session.as_json())

    def pay(self, session: Session) -> None:
        """By card: the money is there at once."""
        if session.status == "open":
            self._book.pay(session)
            session.status, session.paid = "complete", True
            self._tell(session, "checkout.session.completed", session.as_json())

    def pay_later(self, session: Session, *, bounces: bool) -> None:
        """By a transfer from a bank, which arrives later, or bounces."""
        if session.status == "open":
            self._book.pay(session)
            session.status, session.bounces = "complete", bounces
            self._tell(session, "checkout.session.completed", session.as_json())
            asyncio.get_running_loop().call_later(LATER_SECONDS, self.decide, session)

    def decide(self, session: Session) -> None:
        """The money on its way arrives, or does not."""
        if session.on_its_way:
            session.paid, session.lost = not session.bounces, session.bounces
            how = "failed" if session.bounces else "succeeded"
            self._tell(session, f"checkout.session.async_payment_{how}", session.as_json())

    def refund(self, session: Session, amount: int) -> int:
        """Give `amount` cents back, or as many as are left. Returns how many."""
        payment = session.payment
        if not session.paid or payment is None or payment.dispute is not None:
            return 0
        amount = min(amount, payment.amount - payment.refunded)
        if amount > 0:
            payment.refunded += amount
            self._tell(session, "charge.refunded", payment.charge_as_json())
        return amount

    def dispute(self, session: Session) -> None:
        """The customer's bank takes back what is left of the payment."""
        payment = session.payment
        if session.paid and payment is not None and payment.dispute is None and payment.refunded < payment.amount:
            payment.dispute = Dispute(amount=payment.amount - payment.refunded)
            self._tell(session, "charge.dispute.created", payment.dispute_as_json())

    def close_dispute(self, session: Session, *, won: bool) -> None:
        payment = session.payment
        if payment is not None and payment.dispute is not None and payment.dispute.status == "needs_response":
            payment.dispute.status = "won" if won else "lost"
            self._tell(session, "charge.dispute.closed", payment.dispute_as_json())
