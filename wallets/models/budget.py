"""Spend caps: how many credits a key may spend in a day, a week, a month, in all.

A *budget* is what a key and those that replace it spend together. It has no row of its own: it is named by the id of its first key.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from .wallet import CreditsField, Wallet


class CapWindow(models.TextChoices):
    """What a cap is for. All of them begin and end at midnight UTC, weeks on Monday (wallets/periods.py)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class BudgetKey(models.Model):
    """Which budget a key spends of. Never changed or deleted, also when its caps are: a cap that is set again forgives nothing.

    A key that never had a cap, and replaced none, has no row. Keys are a higher app's: no foreign key.
    """

    key_id = models.BigIntegerField(primary_key=True)
    budget_id = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return f"key {self.key_id} of budget {self.budget_id}"


class Cap(models.Model):
    """The limit of a budget in one window, and what counts against it.

    `period` is when the period of the counters began. The first hold of a later one starts them over; until then they stay, and calls
    of their period go on to count. A call is of the period in which it was admitted: of this one if its record is not older.
    `spent` is what such calls were charged less what they were refunded, `held` what those under way hold, both in credits.
    `spent` may be above `limit_credits`: by a charge larger than its hold, or because the limit was lowered.

    Written under the wallet's lock only, by wallets/statements, wallets/budgets.py and wallets/refunds.py.
    """

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="caps")
    budget_id = models.BigIntegerField("budget")
    window = models.CharField(max_length=8, choices=CapWindow)
    limit_credits = CreditsField()
    period = models.DateTimeField("period began")
    spent = CreditsField(default=0)
    held = CreditsField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        # No index over what calls write: each of their updates stays on its page
        constraints = [
            models.UniqueConstraint(fields=["budget_id", "window"], name="cap_once_for_a_window"),
            models.CheckConstraint(condition=Q(window__in=CapWindow.values), name="cap_window_known"),
            models.CheckConstraint(condition=Q(limit_credits__gte=0), name="cap_limit_not_negative"),
            models.CheckConstraint(condition=Q(spent__gte=0), name="cap_spent_not_negative"),
            models.CheckConstraint(condition=Q(held__gte=0), name="cap_held_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.limit_credits} per {self.window}" if self.window != CapWindow.TOTAL else f"{self.limit_credits} in total"
