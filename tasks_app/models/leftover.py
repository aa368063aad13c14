"""Bytes in storage that no artifact keeps: not yet, or not any more."""

from __future__ import annotations

from django.db import models


class Leftover(models.Model):
    """A name under which there may be bytes, written down before they come and before they go.

    So a process that dies between storage and database, or a storage that is away, leaves a row here for what is to be removed, and
    retention does that once `due_at` is past (tasks_app/uploads/retention.py). An artifact takes its bytes by deleting the row in the
    transaction that makes its own, which it can't any more once the row is `condemned`: then somebody may be removing them.
    """

    storage_name = models.CharField(primary_key=True, max_length=200, db_collation="C")
    condemned = models.BooleanField(default=False)
    due_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~models.Q(storage_name=""), name="leftover_named")]
        indexes = [models.Index(fields=["due_at"], name="leftover_due")]

    def __str__(self) -> str:
        return self.storage_name
