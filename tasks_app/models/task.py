"""A task: work that takes minutes, paid when it is created, and followed until it ends."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Account
from catalog.models import Route
from wallets.models import UsageRecord


class Capability(models.TextChoices):
    TEXT_TO_MUSIC = "text_to_music"
    REFERENCE_AUDIO_TO_MUSIC = "reference_audio_to_music"


class TaskStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


FINAL = (TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELED)


class Stage(models.TextChoices):
    QUEUED = "queued"
    PREPARING = "preparing"
    GENERATING = "generating"
    SAVING = "saving"
    DONE = "done"


class TaskQuerySet(models.QuerySet["Task"]):
    def of_account(self, account: Account | int) -> Self:
        return self.filter(account=account)


class Task(models.Model):
    """One task. Its id is its usage record's too.

    The row is the truth, the broker only carries hints. Whoever takes a step claims it: one UPDATE that finds `next_run_at` past raises
    `run` and puts `next_run_at` as far ahead as the claim lasts; what the step writes counts only while `run` is still its own. A worker
    that dies leaves a task that is due again. A final task has no `next_run_at`. `hinted_at` is when beat last told workers that it is due.

    Queued until the first step, then running until `deadline_at`. `cancel_requested_at` is set while it runs: then it ends canceled,
    whatever the provider delivers. Only tasks_app/ending.py ends a task, with the money in the same transaction.

    `input` is the request as it counts (prompt, lyrics, title, instrumental, model_options, reference_audio without its bytes);
    `reference` its audio, once it is stored. `attempts` are the tries (tasks_app/engine/attempts.py), the last one the try at hand;
    `provider_task_id` is its name at the provider, stored before it is asked about, `sent_at` when its request was about to go out (a try
    with `sent_at` whose worker died is unknown). `made` is what the provider delivered, until the task ends (engine/saving.py); `clips`
    what the customer gets: `{"title", "lyrics", "tags", "artifact_id"}` each. `warnings` are `{"code", "message", "field"}`, `error` is
    `{"code", "message", "retryable", "param", "details"}`.
    """

    id = models.CharField(primary_key=True, max_length=40, db_collation="C", help_text="tsk_…")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="tasks", db_index=False)
    usage = models.OneToOneField(UsageRecord, on_delete=models.PROTECT, related_name="task")
    capability = models.CharField(max_length=32, choices=Capability)
    model_asked = models.CharField(max_length=200)
    model = models.CharField(max_length=200)
    input = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict, blank=True)
    reference = models.ForeignKey("tasks_app.Artifact", on_delete=models.PROTECT, null=True, blank=True, related_name="used_by")

    status = models.CharField(max_length=16, choices=TaskStatus, default=TaskStatus.QUEUED)
    stage = models.CharField(max_length=16, choices=Stage, default=Stage.QUEUED)
    percent = models.PositiveSmallIntegerField(default=0)
    message = models.CharField(max_length=200, blank=True, default="")
    warnings = models.JSONField(default=list, blank=True)
    error = models.JSONField(null=True, blank=True)
    clips = models.JSONField(default=list, blank=True)

    run = models.PositiveIntegerField(default=0)
    next_run_at = models.DateTimeField(null=True, blank=True)
    hinted_at = models.DateTimeField(null=True, blank=True)
    route = models.ForeignKey(Route, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    attempts = models.JSONField(default=list, blank=True)
    provider_task_id = models.CharField(max_length=200, blank=True, default="")
    sent_at = models.DateTimeField(null=True, blank=True)
    made = models.JSONField(default=list, blank=True)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=500, blank=True, default="")

    objects = TaskQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=F("usage")), name="task_id_is_its_usage"),
            models.CheckConstraint(condition=Q(capability__in=Capability.values), name="task_capability_known"),
            models.CheckConstraint(condition=Q(status__in=TaskStatus.values), name="task_status_known"),
            models.CheckConstraint(condition=Q(stage__in=Stage.values), name="task_stage_known"),
            models.CheckConstraint(condition=Q(percent__lte=100), name="task_percent"),
            models.CheckConstraint(
                condition=Q(status__in=FINAL, completed_at__isnull=False, next_run_at__isnull=True)
                | (~Q(status__in=FINAL) & Q(completed_at__isnull=True, next_run_at__isnull=False)),
                name="task_final_or_due",
            ),
            models.CheckConstraint(
                condition=~Q(status="running") | Q(started_at__isnull=False, deadline_at__isnull=False), name="task_running_until"
            ),
            models.CheckConstraint(
                condition=Q(status="failed", error__isnull=False) | (~Q(status="failed") & Q(error__isnull=True)), name="task_failed_why"
            ),
            models.CheckConstraint(condition=~Q(status="succeeded") | ~Q(clips=[]), name="task_succeeded_with_clips"),
            models.CheckConstraint(
                condition=~Q(status="succeeded") | Q(cancel_requested_at__isnull=True), name="task_canceled_never_succeeds"
            ),
        ]
        indexes = [
            models.Index(F("account"), F("created_at").desc(), F("id").desc(), name="task_by_account"),
            models.Index(F("account"), F("status"), F("created_at").desc(), F("id").desc(), name="task_by_status"),
            models.Index(F("account"), F("capability"), F("created_at").desc(), F("id").desc(), name="task_by_capability"),
            models.Index(fields=["next_run_at"], name="task_due", condition=Q(next_run_at__isnull=False)),
            # Cancels of running tasks that were refunded lately
            models.Index(fields=["account", "cancel_requested_at"], name="task_canceled", condition=Q(cancel_requested_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_to_fetch(self) -> bool:
        """Whether the audio that it goes by is still at an address of its customer's."""
        return self.reference_id is None and (self.input.get("reference_audio") or {}).get("type") == "url"
