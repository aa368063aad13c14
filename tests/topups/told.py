"""What a payment provider says, as Stripe says it, signed, for tests to send whenever they like."""

from __future__ import annotations

import json
import time
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import stripe
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from wallets.models import LedgerEntry, TopUp, Wallet, WebhookEvent


def new(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def pending(wallet: Wallet, *, amount_usd: str = "10.00", provider: str = "stripe", **fields: Any) -> TopUp:
    """A top-up at 1000 credits per USD, whose customer is at the checkout."""
    return TopUp.objects.create(
        wallet=wallet,
        **{
            "provider": provider,
            "amount_usd": Decimal(amount_usd),
            "credits": Decimal(amount_usd) * 1000,
            "credits_per_usd_rate": 1000,
            "submission": new("form"),
            "session_id": new("cs"),
            "checkout_url": "https://checkout.example/pay",
            "expires_at": timezone.now() + timedelta(hours=1),
            **fields,
        },
    )


def session(top_up: TopUp, **fields: Any) -> dict[str, Any]:
    return {
        "id": top_up.session_id,
        "object": "checkout.session",
        "amount_total": int(top_up.amount_usd * 100),
        "client_reference_id": top_up.pk,
        "currency": "usd",
        "metadata": {"top_up": top_up.pk, "account": str(top_up.wallet.account_id)},
        "payment_intent": payment_of(top_up),
        "payment_status": "paid",
        "status": "complete",
        **fields,
    }


def payment_of(top_up: TopUp) -> str:
    return f"pi_{top_up.pk}"


def charge(top_up: TopUp, *, refunded: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"ch_{top_up.pk}",
        "object": "charge",
        "amount": int(top_up.amount_usd * 100),
        "amount_refunded": int(Decimal(refunded) * 100),
        "currency": "usd",
        "metadata": {"top_up": top_up.pk, "account": str(top_up.wallet.account_id)},
        "payment_intent": payment_of(top_up),
        **fields,
    }


def dispute(top_up: TopUp, *, amount: str = "10.00", status: str = "needs_response", **fields: Any) -> dict[str, Any]:
    return {
        "id": f"du_{top_up.pk}",
        "object": "dispute",
        "amount": int(Decimal(amount) * 100),
        "charge": f"ch_{top_up.pk}",
        "currency": "usd",
        "payment_intent": payment_of(top_up),
        "status": status,
        **fields,
    }


def event(type: str, about: dict[str, Any], *, id: str = "") -> dict[str, Any]:
    return {"id": id or new("evt"), "object": "event", "type": type, "created": int(time.time()), "data": {"object": about}}


class Stripe:
    """A provider whose webhooks reach us. What it says is delivered at once, to pytest's own process or to the site at `url`."""

    def __init__(self, name: str, secret: str) -> None:
        self.name = name
        self.secret = secret

    def signature(self, body: str, *, secret: str = "", timestamp: int | None = None) -> str:
        return stripe.WebhookSignature.generate_signature_header(body, secret or self.secret, timestamp)

    def deliver(self, body: str, signature: str | None = None) -> HttpResponse:
        return Client(headers={"host": "localhost"}).post(
            f"/webhooks/{self.name}",
            body,
            content_type="application/json",
            headers={"Stripe-Signature": self.signature(body) if signature is None else signature},
        )

    def deliver_to(self, url: str, body: str) -> httpx.Response:
        headers = {"Content-Type": "application/json", "Stripe-Signature": self.signature(body)}
        return httpx.post(f"{url}/webhooks/{self.name}", content=body, headers=headers, timeout=60)

    def says(self, type: str, about: dict[str, Any], *, id: str = "") -> str:
        """Tell, and see that it was taken; the verdict on it."""
        told = event(type, about, id=id)
        response = self.deliver(json.dumps(told))
        assert response.status_code == 200, response.content
        return WebhookEvent.objects.get(provider=self.name, event_id=told["id"]).verdict

    def pays(self, top_up: TopUp, **fields: Any) -> str:
        return self.says("checkout.session.completed", session(top_up, **fields))


def moves(wallet: Wallet) -> list[tuple[str, str]]:
    """The entries of a wallet, oldest first: kind and amount."""
    return [(entry.kind, str(entry.amount)) for entry in LedgerEntry.objects.filter(wallet=wallet).order_by("seq")]
