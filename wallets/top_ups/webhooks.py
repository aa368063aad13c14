"""What a payment provider tells us: each event is compared with our own row, acted on once, and remembered.

An event that does not fit the row it names (another provider, checkout, account, amount or currency) moves no money: it is *refused*,
logged as an error and shown to staff. One that names none of our top-ups is *ignored*: the Stripe account may sell other things too.
Signatures are checked before (wallets/top_ups/payments.py).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import transaction
from django.db.models import F

from wallets.automatic_top_ups import card_payments, cards, settling
from wallets.models import TopUp, WebhookEvent
from wallets.top_ups import checkout_settling, dispute_settling, payments, take_backs
from wallets.top_ups.comparing import RefusedError, compare_money, compare_payment, usd, verdict_of

logger = logging.getLogger(__name__)

Verdict = WebhookEvent.Verdict

_CHECKOUT: Final = "checkout.session."
_PAYMENT: Final = "payment_intent."
_DISPUTE: Final = "charge.dispute."
# What README tells to select at Stripe
HEARD: Final = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "charge.refunded",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    }
)


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and the top-up or the entering of a card it is about, if it is one of ours. `about` is the session, payment, charge,
    refund or dispute in it."""

    provider: str
    event_id: str
    type: str
    about: Mapping[str, Any]
    top_up: TopUp | None
    setup: card_payments.Setup | None = None


def read(provider: payments.Configured, event: Mapping[str, Any]) -> Told:
    """Whose top-up an event is about. Asks the provider where only its payment is named and we don't know that yet; so not to be
    called inside a transaction. Raises payments.ProviderError when it does not answer, payments.NoEventError for what is none."""
    event_id, type_, about = payments.text(event.get("id")), payments.text(event.get("type")), event["data"]["object"]
    if not 0 < len(event_id) <= 255 or not 0 < len(type_) <= 100:
        raise payments.NoEventError
    if type_ in HEARD and type_.startswith(_CHECKOUT) and about.get("mode") == "setup":
        setup = card_payments.read_setup(about)
        asked_for = card_payments.with_card(provider, setup) if cards.is_asked_for(provider.name, setup) else setup
        return Told(provider.name, event_id, type_, about, None, asked_for)
    top_up = _top_up(provider, type_, about) if type_ in HEARD else None
    return Told(provider.name, event_id, type_, about, top_up)


def _top_up(provider: payments.Configured, type_: str, about: Mapping[str, Any]) -> TopUp | None:
    if type_.startswith(_CHECKOUT):
        session = payments.read_session(about)
        return (
            TopUp.objects.filter(pk=session.top_up).first() or TopUp.objects.filter(provider=provider.name, session_id=session.id).first()
        )
    metadata = about.get("metadata")
    named = payments.text(metadata.get("top_up")) if isinstance(metadata, dict) else ""
    if type_.startswith(_PAYMENT):
        # It names its top-up itself, or is of none
        return TopUp.objects.filter(pk=named).first() if named else None
    payment_id = payments.text(about.get("payment_intent"))
    if not named and payment_id:
        if (known := TopUp.objects.filter(provider=provider.name, payment_id=payment_id).first()) is not None:
            return known
        named = payments.top_up_of(provider, payment_id)
    return TopUp.objects.filter(pk=named).first() if named else None


@transaction.atomic
def take(told: Told) -> WebhookEvent:
    """Act on an event, unless it was acted on before, and remember it: one transaction, the caller's where there is one."""
    if told.top_up is not None:
        # As it is now: another event about it may have been taken since ours was read
        told = replace(told, top_up=TopUp.objects.lock(told.top_up.pk))
    elif told.setup is not None:
        cards.lock(told.setup)
    row, is_new = WebhookEvent.objects.get_or_create(
        provider=told.provider,
        event_id=told.event_id,
        defaults={"type": told.type, "top_up": told.top_up, "verdict": Verdict.IGNORED},
    )
    if not is_new:
        WebhookEvent.objects.filter(pk=row.pk).update(deliveries=F("deliveries") + 1)
        return row
    try:
        with transaction.atomic():
            row.verdict, row.reason = _act(told)
    except RefusedError as refused:
        row.verdict, row.reason = Verdict.REFUSED, str(refused)[:200]
        extra = {"event": told.event_id, "type": told.type, "top_up": row.top_up_id, "reason": row.reason}
        logger.error("a payment provider's word was refused", extra=extra)
    row.save(update_fields=["verdict", "reason"])
    return row


def _act(told: Told) -> tuple[WebhookEvent.Verdict, str]:
    if told.type not in HEARD:
        return Verdict.IGNORED, "of no interest"
    if told.setup is not None:
        return cards.settle(told.provider, told.setup)
    if told.top_up is None:
        return Verdict.IGNORED, "none of our top-ups"
    if told.top_up.provider != told.provider:
        raise RefusedError(f"its provider is {told.top_up.provider}")
    if told.type.startswith(_CHECKOUT):
        return checkout_settling.settle(told.top_up, payments.read_session(told.about), failed=told.type.endswith("async_payment_failed"))
    if told.type.startswith(_PAYMENT):
        return settling.settle(told.top_up, card_payments.read_payment(told.about))
    if told.type.startswith(_DISPUTE):
        return dispute_settling.settle(told.top_up, told.type.removeprefix(_DISPUTE), told.about)
    if told.type == "refund.failed":
        raise RefusedError("a refund failed: its money is with us again, its credits are to be given back by hand")
    return _refund(told.top_up, told.about)


def _refund(top_up: TopUp, charge: Mapping[str, Any]) -> tuple[WebhookEvent.Verdict, str]:
    compare_money(top_up, charge.get("amount"), payments.text(charge.get("currency")))
    compare_payment(top_up, payments.text(charge.get("payment_intent")))
    refunded = usd(charge.get("amount_refunded"))
    if refunded > top_up.amount_usd:
        raise RefusedError("more was given back than was paid")
    return verdict_of(take_backs.refund(top_up, refunded_usd=refunded), Verdict.REFUNDED)
