"""Codes that are worth credits: made by staff, redeemed by customers (wallets/vouchers/vouchers.py)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from .wallet import CreditsField


class VoucherBatch(models.Model):
    """Codes that were made together and are worth the same: each gives `credits` to as many accounts as it has `uses`."""

    credits = CreditsField("credits for each use")
    codes = models.IntegerField(help_text="How many codes to make.")
    uses = models.IntegerField(
        "uses of each code", default=1, help_text="By how many accounts a code can be redeemed; by each of them once."
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="UTC. Empty: never.")
    note = models.TextField(help_text="What they are for. Customers don't see it.")
    # The form that asked for it: sent twice it is one batch
    form_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False, db_index=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "voucher batches"
        constraints = [
            models.CheckConstraint(condition=Q(credits__gt=0, codes__gte=1, uses__gte=1), name="voucher_batch_above_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.note[:60]}"


class Voucher(models.Model):
    """One code. Who redeemed it stands in the ledger, `used` counts those entries: `voucher:<id>:<account id>`.

    The code itself is not kept: `digest` finds it, `prefix` is its beginning (wallets/vouchers/spelling.py). `uses` is the batch's.
    """

    class Status(models.TextChoices):
        OPEN = "open"
        USED_UP = "used up"
        EXPIRED = "expired"
        DISABLED = "disabled"

    batch = models.ForeignKey(VoucherBatch, on_delete=models.PROTECT, related_name="vouchers")
    digest = models.CharField(max_length=64, unique=True, db_collation="C", editable=False)
    prefix = models.CharField("begins with", max_length=8, db_collation="C", db_index=True)
    uses = models.IntegerField()
    used = models.IntegerField(default=0)
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(used__gte=0, used__lte=F("uses")), name="voucher_used_within_uses")]

    def __str__(self) -> str:
        return f"{self.prefix}-…"

    def status(self) -> Status:
        """What somebody who redeems it now is told; needs `batch`."""
        if self.disabled_at is not None:
            return self.Status.DISABLED
        if self.batch.expires_at is not None and self.batch.expires_at <= timezone.now():
            return self.Status.EXPIRED
        return self.Status.USED_UP if self.used >= self.uses else self.Status.OPEN
