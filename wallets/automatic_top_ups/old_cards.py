"""Cards that were replaced or removed are forgotten at the provider too, by beat: no customer waits for that."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from wallets.automatic_top_ups import card_payments
from wallets.models import AutoTopUp, Provider
from wallets.top_ups import payments

logger = logging.getLogger(__name__)

# Wallets of one round; the rest waits for the next
MOST: Final = 50


def forget() -> None:
    """Have the provider forget them, those that it was not asked about for longest first. Ends when it is away."""
    for auto_id in due().order_by(F("old_cards_asked_at").asc(nulls_first=True), "id").values_list("pk", flat=True)[:MOST]:
        try:
            _forget(auto_id)
        except payments.ProviderError:
            break


def due() -> QuerySet[AutoTopUp]:
    """Whose old cards can be forgotten now. Not while a card is being entered, of which we would not know that it is the new one."""
    now = timezone.now()
    return AutoTopUp.objects.filter(
        Q(setup_expires_at=None) | Q(setup_expires_at__lte=now),
        Q(old_cards_asked_at=None) | Q(old_cards_asked_at__lt=now - timedelta(seconds=settings.TOPUP_ASK_SECONDS)),
        has_old_cards=True,
        provider__in=[name for name in Provider.values if payments.by_name(name) is not None],
    ).exclude(customer_id="")


def _forget(auto_id: int) -> None:
    # As it is now: the round may have taken a while
    auto = due().filter(pk=auto_id).first()
    provider = payments.by_name(auto.provider) if auto is not None else None
    if auto is None or provider is None:
        return
    AutoTopUp.objects.filter(pk=auto_id).update(old_cards_asked_at=timezone.now())
    try:
        card_payments.forget_all_but(provider, customer_id=auto.customer_id, payment_method_id=auto.payment_method_id)
    except payments.UnknownSessionError:
        logger.warning("the payment provider knows no such customer any more", extra={"wallet": auto.wallet_id})
    except payments.RefusedQuestionError:
        return
    AutoTopUp.objects.filter(pk=auto_id, payment_method_id=auto.payment_method_id).update(has_old_cards=False)
