"""A mail when the balance falls below what its customer chose: one for each dip, whoever caused it.

Calls know nothing of it. Once a minute beat looks at the wallets that have a threshold, by an index of those alone: whose balance is
back is told again the next time, whose balance is below and has not been told is told now. By the balance, not by what is
available: that also dips while calls are in flight, and comes back by itself.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Final

from celery import shared_task
from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts import events, notices
from accounts.models import Account, User
from wallets.models import Wallet
from wallets.money import as_text, group

logger = logging.getLogger(__name__)

# In one look; the rest a minute later
BATCH: Final = 1000


@transaction.atomic
def set_threshold(wallet: Wallet, *, credits: Decimal | None, actor: User) -> None:
    """Mail the wallet's customer when its balance is below `credits` (above zero); none switches that off."""
    locked = Wallet.objects.lock(wallet.pk)
    if locked.low_balance_credits != credits:
        Wallet.objects.filter(pk=wallet.pk).update(low_balance_credits=credits, low_balance_told_at=None)
        told = None if credits is None else as_text(credits)
        events.record("wallet.low_balance_mail_set", account=locked.account, actor=actor, credits=told)


def tell() -> int:
    """Tell whoever is to be told now. Returns how many were. A wallet that is locked for too long waits for the next look."""
    watched = Wallet.objects.filter(low_balance_credits__isnull=False, account__status=Account.Status.ACTIVE)
    below, back = Q(balance__lt=F("low_balance_credits")), Q(balance__gte=F("low_balance_credits"))
    due = watched.filter((below & Q(low_balance_told_at=None)) | (back & Q(low_balance_told_at__isnull=False)))
    told = 0
    for wallet_id in list(due.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        try:
            told += _look(wallet_id)
        except OperationalError as error:
            logger.warning("low balance not looked at", extra={"wallet": wallet_id, "error": type(error.__cause__).__name__})
    return told


@transaction.atomic
def _look(wallet_id: int) -> bool:
    """By the locked wallet: the balance may have moved, and the customer may have changed their mind."""
    wallet = Wallet.objects.lock(wallet_id)
    threshold = wallet.low_balance_credits
    if threshold is None or (wallet.balance < threshold) == (wallet.low_balance_told_at is not None):
        return False
    is_below = wallet.balance < threshold
    Wallet.objects.filter(pk=wallet_id).update(low_balance_told_at=timezone.now() if is_below else None)
    # By the entry that is the newest: a balance that has not moved since is no news
    return is_below and notices.tell(
        wallet.account_id,
        "low_balance",
        reference=f"low_balance:{wallet_id}:{wallet.entries}",
        context={"balance": group(wallet.balance), "threshold": group(threshold), "topup_url": settings.TOPUP_URL},
    )


@shared_task(name="wallets.low_balance", ignore_result=True)
def low_balance_task() -> None:
    """Run by beat once a minute."""
    tell()
