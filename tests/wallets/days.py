"""Days that pass: the clock is the database's and stands still for no test, so all that happened is put back instead."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import F, Q, Sum
from django.utils import timezone

from tests.wallets.model import Model, began
from wallets.models import BudgetKey, Cap, UsageRecord, Wallet


def days_pass(wallet: Wallet, days: int, *, model: Model | None = None) -> None:
    """All calls of `wallet` were so many days earlier, and so was the last that its caps counted, by the model if there is one.

    Calls of one week may be of two then, so the caps are made what they would have been.
    """
    ago = timedelta(days=days)
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute("set session_replication_role = replica")
        UsageRecord.objects.filter(wallet=wallet).update(created_at=F("created_at") - ago)
        cursor.execute("set session_replication_role = origin")
    if model is not None:
        model.days_pass(days)
    for cap in Cap.objects.filter(wallet=wallet):
        key_ids = list(BudgetKey.objects.filter(budget_id=cap.budget_id).values_list("key_id", flat=True))
        cap.period = began(cap.window, timezone.now() - ago if model is None else model.caps[key_ids[0]][cap.window].touched_at)
        counted = UsageRecord.objects.filter(key_id__in=key_ids, created_at__gte=cap.period).aggregate(
            spent=Sum(F("charged_credits") - F("refunded_credits")), held=Sum("hold_credits", filter=Q(status="open"))
        )
        cap.spent, cap.held = (counted[name] or Decimal(0) for name in ("spent", "held"))
        cap.save()
