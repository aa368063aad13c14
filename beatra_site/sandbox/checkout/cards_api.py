"""Stripe's API for saved cards, as much of it as the gateway uses. POST with an Idempotency-Key gives the same answer again.

POST /checkout/v1/customers                             makes a customer
GET  /checkout/v1/customers/<id>/payment_methods        his cards
POST /checkout/v1/checkout/sessions                     with mode=setup: the page where a card is entered
GET  /checkout/v1/checkout/sessions/<id>                how that stands
GET  /checkout/v1/setup_intents/<id>                    the card it saved; `expand[]=payment_method`
POST /checkout/v1/payment_intents                       charges a card (off_session, confirm)
GET  /checkout/v1/payment_intents/<id>, ?customer=      such a payment, a customer's
POST /checkout/v1/payment_intents/<id>/cancel           ends one that is not paid
POST /checkout/v1/payment_methods/<id>/detach           forgets a card
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from beatra_site.sandbox.checkout import form
from beatra_site.sandbox.checkout.cards import Card, CardPayment, Cards, Customer, Setup
from beatra_site.sandbox.checkout.deliveries import Deliveries
from beatra_site.sandbox.checkout.stripe_error import StripeError
from beatra_site.sandbox.exchange import Exchange


class CardsApi:
    """The answers about the cards in `cards`."""

    def __init__(self, cards: Cards, deliveries: Deliveries) -> None:
        self._cards = cards
        self._tell = deliveries.tell

    def answer(self, exchange: Exchange, body: bytes, *, origin: str) -> dict[str, Any] | None:
        """The answer, none for what is not about saved cards. Raises StripeError."""
        key = exchange.headers.get("idempotency-key", "") if exchange.method == "POST" else ""
        digest = hashlib.sha256(exchange.path.encode() + body).digest()
        if key in self._cards.answers:
            earlier, answer = self._cards.answers[key]
            if earlier != digest:
                message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
                raise StripeError(400, message, type="idempotency_error")
            if isinstance(answer, Exception):
                raise answer
            return answer
        try:
            made = self._answer(exchange, form.read(body), origin=origin)
        except StripeError as error:
            if key:
                self._cards.answers[key] = digest, error
            raise
        if key and made is not None:
            self._cards.answers[key] = digest, made
        return made

    def _answer(self, exchange: Exchange, fields: dict[str, Any], *, origin: str) -> dict[str, Any] | None:
        match exchange.method, exchange.path.rstrip("/").split("/")[3:]:
            case "POST", ["customers"]:
                customer = Customer(metadata=_texts(fields), email=form.text(fields, "email"))
                self._cards.customers[customer.id] = customer
                return customer.as_json()
            case "GET", ["customers", id, "payment_methods"]:
                customer = self._customer(id)
                return _list([card.as_json() for card in self._cards.cards.values() if card.customer is customer])
            case "POST", ["checkout", "sessions"] if form.text(fields, "mode") == "setup":
                return self._set_up(fields, origin=origin).as_json()
            case "GET", ["checkout", "sessions", id] if id in self._cards.setups:
                return self._cards.setups[id].as_json()
            case "GET", ["setup_intents", id]:
                setup = next((one for one in self._cards.setups.values() if one.intent_id == id), None)
                if setup is None:
                    raise _missing("setupintent", id)
                return setup.intent_as_json(expand="payment_method" in exchange.query.values())
            case "POST", ["payment_methods", id, "detach"]:
                card = self._card(id)
                card.customer = None
                return card.as_json()
            case "POST", ["payment_intents"]:
                return self._charge(fields)
            case "GET", ["payment_intents"]:
                customer = self._customer(exchange.query.get("customer", ""))
                return _list([one.as_json() for one in reversed(self._cards.payments.values()) if one.customer is customer])
            case "GET", ["payment_intents", id] if id in self._cards.payments:
                return self._cards.payments[id].as_json()
            case "POST", ["payment_intents", id, "cancel"]:
                return self._cancel(id, form.text(fields, "cancellation_reason"))
        return None

    def _set_up(self, fields: dict[str, Any], *, origin: str) -> Setup:
        expires_at = form.text(fields, "expires_at")
        setup = Setup(
            customer=self._customer(form.text(fields, "customer")),
            reference=form.text(fields, "client_reference_id"),
            metadata=_texts(fields),
            success_url=form.text(fields, "success_url"),
            cancel_url=form.text(fields, "cancel_url"),
            expires_at=int(expires_at) if expires_at.isdecimal() else 0,
        )
        if not setup.success_url:
            raise StripeError(400, "Missing required param: success_url.", code="parameter_missing", param="success_url")
        setup.url = f"{origin}/checkout/card/{setup.id}"
        self._cards.setups[setup.id] = setup
        return setup

    def _charge(self, fields: dict[str, Any]) -> dict[str, Any]:
        customer, card = self._customer(form.text(fields, "customer")), self._card(form.text(fields, "payment_method"))
        amount = form.text(fields, "amount")
        if (form.text(fields, "off_session"), form.text(fields, "confirm")) != ("true", "true"):
            raise StripeError(400, "Only off_session payments that are confirmed at once are known here.", param="confirm")
        if not amount.isdecimal() or len(amount) > 8 or int(amount) < 50:
            raise StripeError(400, "Amount must be at least $0.50 usd", code="amount_too_small", param="amount")
        if card.customer is not customer:
            message = "The PaymentMethod you provided is not attached to this customer. It may have been detached."
            raise StripeError(400, message, param="payment_method")
        payment = CardPayment(
            amount=int(amount), currency=form.text(fields, "currency"), customer=customer, card=card, metadata=_texts(fields)
        )
        self._cards.payments[payment.id] = payment
        told = payment.as_json()
        if error := payment.error:
            self._tell(customer, "payment_intent.payment_failed", told)
            raise StripeError(402, **error, charge=payment.charge_id, payment_intent=told, payment_method=card.as_json())
        self._tell(customer, "payment_intent.succeeded", told)
        return told

    def _cancel(self, id: str, reason: str) -> dict[str, Any]:
        if id not in self._cards.payments:
            raise _missing("payment_intent", id)
        if reason not in ("", "duplicate", "fraudulent", "requested_by_customer", "abandoned"):
            raise StripeError(400, "Invalid cancellation_reason", param="cancellation_reason")
        payment = self._cards.payments[id]
        if payment.status != "requires_payment_method":
            message = f"You cannot cancel this PaymentIntent because it has a status of {payment.status}."
            raise StripeError(400, message, code="payment_intent_unexpected_state", payment_intent=payment.as_json())
        payment.canceled_at, payment.cancellation_reason = int(time.time()), reason or None
        told = payment.as_json()
        self._tell(payment.customer, "payment_intent.canceled", told)
        return told

    def _customer(self, id: str) -> Customer:
        if id not in self._cards.customers:
            raise _missing("customer", id)
        return self._cards.customers[id]

    def _card(self, id: str) -> Card:
        if id not in self._cards.cards:
            raise _missing("PaymentMethod", id)
        return self._cards.cards[id]


def _missing(what: str, id: str) -> StripeError:
    return StripeError(404, f"No such {what}: '{id[:60]}'", code="resource_missing", param=what.lower())


def _texts(fields: dict[str, Any]) -> dict[str, str]:
    found = fields.get("metadata")
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _list(data: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": data[:100], "has_more": False, "url": "/v1"}
