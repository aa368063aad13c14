"""Webhooks get lost: the provider is asked about every checkout that it has said nothing about for a while."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.db import OperationalError
from django.db.models import F, Q
from django.utils import timezone

from wallets.automatic_top_ups import cards, charging, old_cards
from wallets.models import Provider, TopUp, WebhookEvent
from wallets.top_ups import checkout_settling, payments, problems, topups
from wallets.top_ups.comparing import RefusedError

logger = logging.getLogger(__name__)

# Questions of one round; the rest waits for the next
MOST = 50
# A provider that is not configured any more can tell nothing about a checkout; so long after its time, we end it without
GONE = timedelta(days=7)


@shared_task(name="wallets.reconcile_top_ups", ignore_result=True)
def reconcile_top_ups() -> None:
    """Run by beat every minute. A provider that is away is asked nothing more in this round: each question would wait for it."""
    end_those_of_gone_providers()
    if reconcile() and cards.reconcile():
        old_cards.forget()


def reconcile() -> bool:
    """Ask about the pending top-ups that are due, those that were not asked about for longest first, and do what the answers say.

    False when the provider is away.
    """
    before = timezone.now() - timedelta(seconds=settings.TOPUP_ASK_SECONDS)
    due = TopUp.objects.filter(Q(asked_at=None) | Q(asked_at__lt=before), status=TopUp.Status.PENDING, created_at__lt=before)
    for top_up in due.filter(provider__in=_known()).order_by(F("asked_at").asc(nulls_first=True), "created_at")[:MOST]:
        try:
            verdict = ask(top_up)
        except OperationalError:
            logger.warning("a wallet is locked: its top-up is asked about again later", extra={"top_up": top_up.pk})
            continue
        if verdict is None:
            return False
    return True


def end_those_of_gone_providers() -> None:
    """Expire the pending top-ups whose provider is not configured any more; those whose money may be on its way are for staff.

    Should the provider be configured again and tell of a payment, it is credited all the same.
    """
    pending = TopUp.objects.filter(status=TopUp.Status.PENDING, expires_at__lt=timezone.now() - GONE, problem="")
    for top_up in pending.exclude(provider__in=_known()).order_by("created_at")[:MOST]:
        try:
            if top_up.submitted_at is None:
                topups.expire(top_up)
            else:
                problems.note(top_up, "its payment was on its way, and its provider is not configured any more")
        except OperationalError:
            logger.warning("a wallet is locked: its top-up ends later", extra={"top_up": top_up.pk})


def _known() -> list[str]:
    return [name for name in Provider.values if payments.by_name(name) is not None]


def ask(top_up: TopUp) -> WebhookEvent.Verdict | None:
    """Ask the provider about one pending top-up, and credit, expire or fail it accordingly. Not to be called inside a transaction.

    Only the provider's word ends a checkout, however old it is. None when there was no answer. A top-up that never got a checkout
    fails: its process died, and nobody has an address to pay at.
    """
    TopUp.objects.filter(pk=top_up.pk).update(asked_at=timezone.now())
    if top_up.kind == TopUp.Kind.AUTO:
        return charging.ask(top_up)
    if not top_up.session_id:
        topups.fail(top_up, reason="no checkout was made", unless_opened=True)
        return WebhookEvent.Verdict.FAILED
    provider = payments.by_name(top_up.provider)
    if provider is None:
        return None
    try:
        session = payments.look_up(provider, top_up.session_id)
    except payments.UnknownSessionError:
        topups.fail(top_up, reason="the provider knows no such checkout")
        logger.error("a checkout is unknown to its provider", extra={"top_up": top_up.pk})
        return WebhookEvent.Verdict.FAILED
    except payments.RefusedQuestionError as refused:
        return problems.note(top_up, f"the provider refused the question: {refused}")
    except payments.ProviderError:
        return None
    try:
        verdict, _ = checkout_settling.settle(top_up, session)
    except RefusedError as refused:
        return problems.note(top_up, str(refused))
    if verdict in (WebhookEvent.Verdict.CREDITED, WebhookEvent.Verdict.EXPIRED):
        logger.warning("a webhook was lost", extra={"top_up": top_up.pk, "verdict": verdict})
    return verdict
