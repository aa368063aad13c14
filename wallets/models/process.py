"""Which processes are alive: how an open usage record without a living owner is told from one that is still running."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Process(models.Model):
    """One process that places holds, and when it was last seen, by the database's clock (wallets/heartbeat.py)."""

    id = models.CharField(primary_key=True, max_length=64)
    seen_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return self.id
