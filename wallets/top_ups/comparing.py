"""Whether what a payment provider tells fits our own rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from wallets.models import TopUp, WebhookEvent
from wallets.top_ups import payments


class RefusedError(Exception):
    """What was told does not fit our row. The text names what, for staff."""


def compare_money(top_up: TopUp, amount: Any, currency: str) -> None:
    """Raises RefusedError unless `amount` cents of that currency are what the top-up costs."""
    if currency != top_up.currency:
        raise RefusedError(f"it is in {currency[:10] or 'no money'}, not {top_up.currency}")
    if amount != payments.cents(top_up.amount_usd):
        raise RefusedError(f"it is about {amount!r:.20} cents, not {payments.cents(top_up.amount_usd)}")


def compare_payment(top_up: TopUp, payment_id: str) -> None:
    """Raises RefusedError if the payment is known to be another than the top-up's."""
    if payment_id and top_up.payment_id and payment_id != top_up.payment_id:
        raise RefusedError("it is of another payment")
    if payment_id and TopUp.objects.exclude(pk=top_up.pk).filter(provider=top_up.provider, payment_id=payment_id).exists():
        raise RefusedError("its payment is another top-up's")


def compare_account(account_id: int, named: str) -> None:
    """Raises RefusedError unless the account that we named to the provider is ours."""
    if named != str(account_id):
        raise RefusedError(f"it names account {named[:40] or 'none'}, not {account_id}")


def usd(cents: Any) -> Decimal:
    """Cents as USD. Raises RefusedError for what is no amount."""
    if not isinstance(cents, int) or isinstance(cents, bool) or cents < 0:
        raise RefusedError("it has no amount")
    return Decimal(cents) / 100


def verdict_of(changed: bool, verdict: WebhookEvent.Verdict, reason: str = "") -> tuple[WebhookEvent.Verdict, str]:
    """The verdict on what fitted, and why: what was told changed something, or was known."""
    return (verdict, reason) if changed else (WebhookEvent.Verdict.DUPLICATE, "it was known already")
