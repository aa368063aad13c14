"""Stripe's API, as much of it as the gateway uses. `key` is the only one that is accepted.

POST /checkout/v1/checkout/sessions                 makes a checkout; an Idempotency-Key gives the same one again
GET  /checkout/v1/checkout/sessions/<id>            how it stands
POST /checkout/v1/checkout/sessions/<id>/expire     ends it, if it is open
GET  /checkout/v1/payment_intents/<id>              a payment
                                                    saved cards: cards_api.py
POST /checkout/v1/refunds                           gives back `amount` cents of a `payment_intent`, or all that is left
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

from beatra_site.sandbox.checkout import form
from beatra_site.sandbox.checkout.book import Book, Session, new_id
from beatra_site.sandbox.checkout.cards_api import CardsApi
from beatra_site.sandbox.checkout.events import Events
from beatra_site.sandbox.checkout.stripe_error import StripeError
from beatra_site.sandbox.exchange import Exchange


class Api:
    """The answers to `/checkout/v1/`."""

    def __init__(self, book: Book, events: Events, *, cards: CardsApi, key: str, public_url: str) -> None:
        self._book = book
        self._cards = cards
        self._events = events
        self._key = key
        self._public_url = public_url

    async def __call__(self, exchange: Exchange) -> None:
        body = await exchange.body()
        try:
            self._authenticate(exchange)
            answer = self._answer(exchange, body)
        except StripeError as error:
            await exchange.json(error.status, error.body, headers={"request-id": new_id("req")})
        else:
            await exchange.json(200, answer, headers={"request-id": new_id("req")})

    def _authenticate(self, exchange: Exchange) -> None:
        given = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        if not self._key or not hmac.compare_digest(given.encode(), self._key.encode()):
            raise StripeError(401, "Invalid API Key provided")

    def _answer(self, exchange: Exchange, body: bytes) -> dict[str, Any]:
        if (answer := self._cards.answer(exchange, body, origin=self._public_url or _origin(exchange))) is not None:
            return answer
        match exchange.method, exchange.path.rstrip("/").split("/")[3:]:
            case "POST", ["checkout", "sessions"]:
                return self._create(exchange, body).as_json()
            case "GET", ["checkout", "sessions", id]:
                return self._session(id).as_json()
            case "POST", ["checkout", "sessions", id, "expire"]:
                session = self._session(id)
                if session.status != "open":
                    raise StripeError(400, "Only Checkout Sessions with a status in [open] can be expired.")
                self._events.expire(session)
                return session.as_json()
            case "GET", ["payment_intents", id]:
                payment = self._paid_by(id).payment
                assert payment is not None
                return payment.as_json()
            case "POST", ["refunds"]:
                return self._refund(form.read(body))
            case method, _:
                raise StripeError(404, f"Unrecognized request URL ({method}: {exchange.path}).")

    def _create(self, exchange: Exchange, body: bytes) -> Session:
        key, digest = exchange.headers.get("idempotency-key", ""), hashlib.sha256(body).digest()
        if key in self._book.made:
            earlier, session = self._book.made[key]
            if earlier != digest:
                message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
                raise StripeError(400, message, type="idempotency_error")
            return session
        session = _session(form.read(body))
        session.url = f"{self._public_url or _origin(exchange)}/checkout/pay/{session.id}"
        if key:
            self._book.made[key] = digest, session
        self._events.open(session)
        return session

    def _session(self, id: str) -> Session:
        if (session := self._book.session(id)) is None:
            raise StripeError(404, f"No such checkout.session: '{id}'", code="resource_missing", param="session")
        return session

    def _paid_by(self, payment_id: str) -> Session:
        if (session := self._book.paid_by(payment_id)) is None:
            raise StripeError(404, f"No such payment_intent: '{payment_id}'", code="resource_missing", param="intent")
        return session

    def _refund(self, fields: dict[str, Any]) -> dict[str, Any]:
        session = self._paid_by(form.text(fields, "payment_intent"))
        assert session.payment is not None
        left = session.payment.amount - session.payment.refunded
        amount = _number(fields, "amount") if "amount" in fields else left
        if amount > left or not self._events.refund(session, amount):
            raise StripeError(400, "Refund amount is greater than unrefunded amount on charge", param="amount")
        payment = session.payment
        return {"id": new_id("re"), "object": "refund", "amount": amount, "payment_intent": payment.id, "status": "succeeded"}


def _session(fields: dict[str, Any]) -> Session:
    """The checkout that a request asks for, made as Stripe would or refused as Stripe would."""
    if form.text(fields, "mode") != "payment":
        raise StripeError(400, "Only mode=payment is known here.", param="mode")
    price = ("line_items", "0", "price_data")
    for path in ((*price, "currency"), (*price, "product_data", "name"), ("success_url",)):
        if not form.text(fields, *path):
            param = path[0] + "".join(f"[{step}]" for step in path[1:])
            raise StripeError(400, f"Missing required param: {param}.", code="parameter_missing", param=param)
    now = int(time.time())
    expires_at = _number(fields, "expires_at") if "expires_at" in fields else now + 86_400
    # A minute's grace, for what has been on its way
    if not now + 1740 <= expires_at <= now + 86_460:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
        raise StripeError(400, message, param="expires_at")
    amount = _number(fields, *price, "unit_amount") * _number(fields, "line_items", "0", "quantity")
    if amount < 50:
        raise StripeError(400, "The Checkout Session's total amount due must add up to at least $0.50 usd", code="amount_too_small")
    return Session(
        url="",
        amount=amount,
        currency=form.text(fields, *price, "currency"),
        product=form.text(fields, *price, "product_data", "name"),
        reference=form.text(fields, "client_reference_id"),
        metadata=_texts(fields.get("metadata")),
        payment_metadata=_texts((fields.get("payment_intent_data") or {}).get("metadata")),
        email=form.text(fields, "customer_email"),
        success_url=form.text(fields, "success_url"),
        cancel_url=form.text(fields, "cancel_url"),
        expires_at=expires_at,
    )


def _origin(exchange: Exchange) -> str:
    return f"http://{exchange.headers.get('host', '')}"


def _number(fields: dict[str, Any], *path: str) -> int:
    found = form.text(fields, *path)
    if not found.isdecimal() or len(found) > 12:
        raise StripeError(400, f"Invalid integer: {found[:40]}", code="parameter_invalid_integer", param=path[-1])
    return int(found)


def _texts(found: Any) -> dict[str, str]:
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
