"""That the books were audited, and what came of it: for every process to see."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class AuditRun(models.Model):
    """One audit of all books (wallets/audit.py): when it ended, by the database's clock, how much it looked at, how much differed."""

    ended_at = models.DateTimeField(db_default=Now())
    wallets = models.BigIntegerField()
    entries = models.BigIntegerField()
    usage_records = models.BigIntegerField()
    differences = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.wallets} wallets, {self.entries} entries, {self.usage_records} usage records"
