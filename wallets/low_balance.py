"""A mail when the balance falls below what its customer chose: one for each dip, whoever caused it.

Calls know nothing of it. Once a minute beat looks at the wallets that have a threshold, by an index of those alone: whose balance is
back is told again the next time, whose balance is below and has not been told is told now. By the balance, not by what is
available: that also dips while calls are in flight, and comes back by itself.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import events, notices
from accounts.models import Account, User
from wallets.models import Wallet
from wallets.money import as_text, group

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
    """Tell whoever is to be told now. Returns how many were."""
    watched = Wallet.objects.filter(low_balance_credits__isnull=False, account__status=Account.Status.ACTIVE)
    back = watched.filter(low_balance_told_at__isnull=False, balance__gte=F("low_balance_credits"))
    Wallet.objects.filter(pk__in=back.values("pk")).update(low_balance_told_at=None)
    below = watched.filter(low_balance_told_at=None, balance__lt=F("low_balance_credits"))
    return sum(_tell(wallet_id) for wallet_id in list(below.order_by("pk").values_list("pk", flat=True)[:BATCH]))


@transaction.atomic
def _tell(wallet_id: int) -> bool:
    """By the locked wallet: the balance may be back, and the customer may have changed their mind."""
    wallet = Wallet.objects.lock(wallet_id)
    threshold = wallet.low_balance_credits
    if threshold is None or wallet.low_balance_told_at is not None or wallet.balance >= threshold:
        return False
    Wallet.objects.filter(pk=wallet_id).update(low_balance_told_at=timezone.now())
    # By the entry that is the newest: a balance that has not moved since is no news
    return notices.tell(
        wallet.account_id,
        "low_balance",
        reference=f"low_balance:{wallet_id}:{wallet.entries}",
        context={"balance": group(wallet.balance), "threshold": group(threshold), "topup_url": settings.TOPUP_URL},
    )


@shared_task(name="wallets.low_balance", ignore_result=True)
def low_balance_task() -> None:
    """Run by beat once a minute."""
    tell()
