"""Which call an Idempotency-Key stands for, and the answer it was given."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from .usage import UsageRecord
from .wallet import Wallet


class IdempotencyKey(models.Model):
    """One Idempotency-Key of a wallet's account, from its call's beginning until `expires_at`.

    Inserted with the call's hold, given its `answer` with the charge, deleted with a release, each in the statement that moves the
    credits (wallets/statements); of a write that is not billed, without a `usage`, it is there with its answer or not at all
    (wallets/answered_once.py). The key itself is not kept: `digest` is an HMAC of it with method and path, `fingerprint` one of
    the body, `answer` sealed under it (wallets/sealing.py); without an answer the call still runs. A row that is past its time counts
    for nothing and is deleted before long.
    """

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="idempotency_keys", db_index=False)
    digest = models.CharField(max_length=64, db_collation="C")
    fingerprint = models.CharField(max_length=64)
    usage = models.OneToOneField(UsageRecord, on_delete=models.PROTECT, null=True, blank=True, related_name="idempotency_key")
    process_id = models.CharField("process", max_length=64, db_default="")
    answer = models.BinaryField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["wallet", "digest"], name="idempotency_key_once_a_wallet"),
            models.CheckConstraint(condition=~Q(digest="") & ~Q(fingerprint=""), name="idempotency_key_digested"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="idempotency_key_lasts"),
        ]
        indexes = [models.Index(fields=["expires_at"], name="idempotency_key_by_end")]

    def __str__(self) -> str:
        return self.usage_id or f"key {self.pk}"
