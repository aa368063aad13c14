"""Days that pass: the clock is the database's and stands still for no test, so all that happened is put back instead."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.db.models import F

from tests.wallets.model import Model, began
from wallets.models import BudgetKey, Cap, UsageRecord, Wallet


def days_pass(wallet: Wallet, days: int, *, model: Model | None = None) -> None:
    """All calls of `wallet` were so many days earlier. Its caps' counters are of the period of its last call then, or of the model's."""
    ago = timedelta(days=days)
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute("set session_replication_role = replica")
        UsageRecord.objects.filter(wallet=wallet).update(created_at=F("created_at") - ago)
        cursor.execute("set session_replication_role = origin")
        cursor.execute("select clock_timestamp()")
        (now,) = cursor.fetchone()
    if model is not None:
        model.days_pass(days)
    for cap in Cap.objects.filter(wallet=wallet):
        (key_id, *_) = BudgetKey.objects.filter(budget_id=cap.budget_id).values_list("key_id", flat=True)
        touched_at = now - ago if model is None else model.caps[key_id][cap.window].touched_at
        Cap.objects.filter(pk=cap.pk).update(period=began(cap.window, touched_at))
