"""What a payment provider said that does not fit our books: staff must look (wallets/alerts.py), until they have dealt with it."""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import events
from accounts.models import User
from wallets.models import TopUp, WebhookEvent

logger = logging.getLogger(__name__)


def note(top_up: TopUp, reason: str) -> WebhookEvent.Verdict:
    """Remember why the provider's word was refused, until the top-up is settled or staff have dealt with it; returns REFUSED.

    An error in the log the first time: it is asked again and again.
    """
    reason = reason[:200]
    if TopUp.objects.filter(pk=top_up.pk).exclude(problem=reason).update(problem=reason):
        logger.error("a payment provider's word was refused", extra={"top_up": top_up.pk, "reason": reason})
    return WebhookEvent.Verdict.REFUSED


@transaction.atomic
def deal_with(top_ups: QuerySet[TopUp], *, actor: User) -> int:
    """Staff have dealt with the problems of these; returns how many had any. One that is asked about again may have it again."""
    found = list(top_ups.exclude(problem="").select_related("wallet__account").select_for_update(no_key=True, of=("self",)).order_by("id"))
    for top_up in found:
        events.record("topup.dealt_with", account=top_up.wallet.account, actor=actor, top_up=top_up.pk, problem=top_up.problem)
    TopUp.objects.filter(pk__in=[top_up.pk for top_up in found]).update(problem="")
    return len(found)


@transaction.atomic
def deal_with_events(webhook_events: QuerySet[WebhookEvent], *, actor: User) -> int:
    """Staff have dealt with these refused events; returns how many were not dealt with before."""
    unseen = webhook_events.filter(verdict=WebhookEvent.Verdict.REFUSED, seen_at=None)
    return unseen.update(seen_at=timezone.now(), seen_by=actor)
