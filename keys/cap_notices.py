"""Mails when a key, with those that it replaced, has spent 80 % of a cap, and all of it: once for each cap, limit and period.

Calls do nothing for it: beat looks at the caps once a minute. What was told is known by the notices' own references, so that a cap that
is removed and set again tells nothing twice.
"""

# ruff: noqa: S608  # the texts are put together from constants

from __future__ import annotations

import logging
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from celery import shared_task
from django.db import connection, transaction

from accounts import notices
from accounts.models import Notice
from keys.models import ApiKey
from wallets import periods
from wallets.budgets import WARNED_AT
from wallets.models import BudgetKey
from wallets.money import as_text

logger = logging.getLogger(__name__)

BATCH = 500

REACHED = f"""
select c.id, w.account_id, c.budget_id, c."window", c.period, c.limit_credits, c.spent,
       {periods.end('c."window"', began="c.period")}, case when c.spent >= c.limit_credits then 100 else {WARNED_AT} end
  from wallets_cap c join wallets_wallet w on w.id = c.wallet_id
 where c.id > %s and c.limit_credits > 0 and c.spent * 100 >= c.limit_credits * {WARNED_AT} and c.period >= {periods.begin('c."window"')}
 order by c.id limit {BATCH}
"""


class ReachedCap(NamedTuple):
    """A cap of which 80 % or all is spent in the period that runs now."""

    id: int
    account_id: int
    budget_id: int
    window: str
    period: datetime
    limit_credits: Decimal
    spent_credits: Decimal
    resets_at: datetime | None
    percent: int

    @property
    def reference(self) -> str:
        return f"cap:{self.budget_id}:{self.window}:{self.period:%Y-%m-%d}:{as_text(self.limit_credits)}:{self.percent}"


def tell_caps() -> int:
    """Tell what has not been told; returns how many mails that makes."""
    told, after = 0, 0
    while reached := _reached(after):
        after = reached[-1].id
        known = set(Notice.objects.filter(reference__in=[cap.reference for cap in reached]).values_list("reference", flat=True))
        told += sum(_told(cap) for cap in reached if cap.reference not in known)
    return told


def _told(cap: ReachedCap) -> bool:
    """Whether it is told now; what fails keeps no other from being told."""
    try:
        return _tell(cap)
    except Exception as error:
        logger.error("a cap was not told", extra={"cap": cap.id, "error": type(error).__name__})
        return False


@transaction.atomic
def _tell(cap: ReachedCap) -> bool:
    # The newest stands for those that it replaced: it is the one that the owner looks at and can change
    keys = BudgetKey.objects.filter(budget_id=cap.budget_id).values("key_id")
    key = ApiKey.objects.filter(account_id=cap.account_id, pk__in=keys).order_by("pk").last()
    if key is None:
        return False
    context = {
        "key_id": key.pk,
        "key_name": key.name,
        "key_prefix": key.prefix,
        "percent": cap.percent,
        "window": cap.window,
        "limit_credits": as_text(cap.limit_credits),
        "spent_credits": as_text(cap.spent_credits),
        "resets_at": "" if cap.resets_at is None else f"{cap.resets_at:%Y-%m-%d %H:%M} UTC",
    }
    return notices.tell(cap.account_id, "spend_cap", reference=cap.reference, context=context)


def _reached(after: int) -> list[ReachedCap]:
    with connection.cursor() as cursor:
        cursor.execute(REACHED, [after])
        return [ReachedCap(*row) for row in cursor.fetchall()]


@shared_task(name="keys.tell_caps", ignore_result=True)
def tell_caps_task() -> None:
    """Run by beat once a minute (settings.CELERY_BEAT_SCHEDULE)."""
    tell_caps()
