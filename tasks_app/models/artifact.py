"""A stored file: what a customer sent, what was fetched for a task, or what a task made."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Account


class ArtifactKind(models.TextChoices):
    UPLOAD = "upload"  # sent by the customer to /v1/uploads
    REFERENCE = "reference"  # fetched or decoded for one task, which named a URL or gave the bytes
    OUTPUT = "output"  # made by a task


class Purpose(models.TextChoices):
    MEDIA_INPUT = "media_input"
    REFERENCE_AUDIO = "reference_audio"


class ArtifactQuerySet(models.QuerySet["Artifact"]):
    def of_account(self, account: Account | int) -> Self:
        return self.filter(account=account)

    def uploads(self) -> Self:
        return self.filter(kind=ArtifactKind.UPLOAD)

    def read_by_tasks(self) -> Self:
        """Those that a task goes by which has not ended: its provider may still have to read them."""
        return self.filter(used_by__completed_at=None, used_by__isnull=False)

    def stored(self) -> Self:
        """Those whose bytes are still there, and may still be used."""
        return self.filter(removed_at=None, expires_at__gt=timezone.now())


class Artifact(models.Model):
    """One file of an account. The bytes are in Django's default storage under `storage_name`, a random name of our own.

    `mime_type` and `media_type` (image, audio, video) are read off the content. `size_bytes` and `sha256` are the bytes' own,
    `duration_seconds` that of audio. `filename` is the caller's, for people. The bytes go at `expires_at`, or earlier when the
    customer deletes them, but not before the tasks have ended that go by them; the row stays, with `removed_at`. `unsettled` is what came
    of a task until retention has looked, after the task's end, whether it is to be kept.
    """

    id = models.CharField(primary_key=True, max_length=40, db_collation="C", help_text="art_…")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="artifacts", db_index=False)
    kind = models.CharField(max_length=16, choices=ArtifactKind)
    task = models.ForeignKey("tasks_app.Task", on_delete=models.PROTECT, null=True, blank=True, related_name="artifacts")
    purpose = models.CharField(max_length=32, choices=Purpose, blank=True, db_default="")
    media_type = models.CharField(max_length=16)
    mime_type = models.CharField(max_length=100)
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    duration_seconds = models.DecimalField(max_digits=10, decimal_places=3, null=True, blank=True)
    filename = models.CharField(max_length=255, blank=True, db_default="")
    metadata = models.JSONField(default=dict, blank=True)
    storage_name = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    unsettled = models.BooleanField(default=False, db_default=False, editable=False)

    objects = ArtifactQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(id="") & ~Q(storage_name=""), name="artifact_named"),
            models.CheckConstraint(condition=Q(kind__in=ArtifactKind.values), name="artifact_kind_known"),
            models.CheckConstraint(condition=Q(purpose__in=["", *Purpose.values]), name="artifact_purpose_known"),
            models.CheckConstraint(condition=Q(kind="upload") | Q(task__isnull=False), name="artifact_of_a_task_or_uploaded"),
            models.CheckConstraint(condition=Q(size_bytes__gt=0) & Q(sha256__regex=r"^[0-9a-f]{64}$"), name="artifact_has_bytes"),
            models.CheckConstraint(
                condition=Q(duration_seconds__isnull=True) | Q(duration_seconds__gte=0), name="artifact_duration_not_negative"
            ),
        ]
        indexes = [
            models.Index(F("account"), F("created_at").desc(), F("id").desc(), name="artifact_by_account"),
            # The list of uploads, and what counts towards the account's share
            models.Index(
                F("account"), F("created_at").desc(), F("id").desc(), name="artifact_uploads", condition=Q(kind="upload", removed_at=None)
            ),
            models.Index(fields=["expires_at"], name="artifact_by_end", condition=Q(removed_at=None)),
            models.Index(fields=["task"], name="artifact_unsettled", condition=Q(unsettled=True)),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def is_stored(self) -> bool:
        return self.removed_at is None and self.expires_at > timezone.now()
