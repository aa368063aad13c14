import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0004_upload_limits"),
        ("catalog", "0003_music_routes_and_costs"),
        ("wallets", "0016_index_of_the_records_of_tasks"),
    ]

    operations = [
        migrations.CreateModel(
            name="Artifact",
            fields=[
                ("id", models.CharField(db_collation="C", help_text="art_…", max_length=40, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("upload", "Upload"), ("reference", "Reference"), ("output", "Output")], max_length=16)),
                (
                    "purpose",
                    models.CharField(
                        blank=True,
                        choices=[("media_input", "Media Input"), ("reference_audio", "Reference Audio")],
                        db_default="",
                        max_length=32,
                    ),
                ),
                ("media_type", models.CharField(max_length=16)),
                ("mime_type", models.CharField(max_length=100)),
                ("size_bytes", models.BigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("duration_seconds", models.DecimalField(blank=True, decimal_places=3, max_digits=10, null=True)),
                ("filename", models.CharField(blank=True, db_default="", max_length=255)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("storage_name", models.CharField(max_length=200, unique=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("unsettled", models.BooleanField(db_default=False, default=False, editable=False)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="artifacts", to="accounts.account"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Leftover",
            fields=[
                ("storage_name", models.CharField(db_collation="C", max_length=200, primary_key=True, serialize=False)),
                ("condemned", models.BooleanField(default=False)),
                ("due_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["due_at"], name="leftover_due")],
                "constraints": [models.CheckConstraint(condition=models.Q(("storage_name", ""), _negated=True), name="leftover_named")],
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                ("id", models.CharField(db_collation="C", help_text="tsk_…", max_length=40, primary_key=True, serialize=False)),
                (
                    "capability",
                    models.CharField(
                        choices=[("text_to_music", "Text To Music"), ("reference_audio_to_music", "Reference Audio To Music")],
                        max_length=32,
                    ),
                ),
                ("model_asked", models.CharField(max_length=200)),
                ("model", models.CharField(max_length=200)),
                ("input", models.JSONField(default=dict)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("canceled", "Canceled"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("preparing", "Preparing"),
                            ("generating", "Generating"),
                            ("saving", "Saving"),
                            ("done", "Done"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                ("percent", models.PositiveSmallIntegerField(default=0)),
                ("message", models.CharField(blank=True, default="", max_length=200)),
                ("warnings", models.JSONField(blank=True, default=list)),
                ("error", models.JSONField(blank=True, null=True)),
                ("clips", models.JSONField(blank=True, default=list)),
                ("run", models.PositiveIntegerField(default=0)),
                ("next_run_at", models.DateTimeField(blank=True, null=True)),
                ("hinted_at", models.DateTimeField(blank=True, null=True)),
                ("attempts", models.JSONField(blank=True, default=list)),
                ("provider_task_id", models.CharField(blank=True, default="", max_length=200)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("made", models.JSONField(blank=True, default=list)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("deadline_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("cancel_reason", models.CharField(blank=True, default="", max_length=500)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="tasks", to="accounts.account"
                    ),
                ),
                (
                    "reference",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="used_by", to="tasks_app.artifact"
                    ),
                ),
                (
                    "route",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="catalog.route"
                    ),
                ),
                ("usage", models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="task", to="wallets.usagerecord")),
            ],
        ),
        migrations.AddField(
            model_name="artifact",
            name="task",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="artifacts", to="tasks_app.task"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                models.F("account"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="task_by_account",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                models.F("account"),
                models.F("status"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="task_by_status",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                models.F("account"),
                models.F("capability"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="task_by_capability",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(condition=models.Q(("next_run_at__isnull", False)), fields=["next_run_at"], name="task_due"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("cancel_requested_at__isnull", False)), fields=["account", "cancel_requested_at"], name="task_canceled"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(condition=models.Q(("id", models.F("usage"))), name="task_id_is_its_usage"),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("capability__in", ["text_to_music", "reference_audio_to_music"])), name="task_capability_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["queued", "running", "succeeded", "failed", "canceled"])), name="task_status_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("stage__in", ["queued", "preparing", "generating", "saving", "done"])), name="task_stage_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(condition=models.Q(("percent__lte", 100)), name="task_percent"),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("completed_at__isnull", False), ("next_run_at__isnull", True), ("status__in", ("succeeded", "failed", "canceled"))
                    ),
                    models.Q(
                        models.Q(("status__in", ("succeeded", "failed", "canceled")), _negated=True),
                        ("completed_at__isnull", True),
                        ("next_run_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="task_final_or_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "running"), _negated=True),
                    models.Q(("deadline_at__isnull", False), ("started_at__isnull", False)),
                    _connector="OR",
                ),
                name="task_running_until",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("error__isnull", False), ("status", "failed")),
                    models.Q(models.Q(("status", "failed"), _negated=True), ("error__isnull", True)),
                    _connector="OR",
                ),
                name="task_failed_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "succeeded"), _negated=True), models.Q(("clips", []), _negated=True), _connector="OR"
                ),
                name="task_succeeded_with_clips",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "succeeded"), _negated=True), ("cancel_requested_at__isnull", True), _connector="OR"
                ),
                name="task_canceled_never_succeeds",
            ),
        ),
        migrations.AddIndex(
            model_name="artifact",
            index=models.Index(
                models.F("account"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="artifact_by_account",
            ),
        ),
        migrations.AddIndex(
            model_name="artifact",
            index=models.Index(
                models.F("account"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("kind", "upload"), ("removed_at", None)),
                name="artifact_uploads",
            ),
        ),
        migrations.AddIndex(
            model_name="artifact",
            index=models.Index(condition=models.Q(("removed_at", None)), fields=["expires_at"], name="artifact_by_end"),
        ),
        migrations.AddIndex(
            model_name="artifact",
            index=models.Index(condition=models.Q(("unsettled", True)), fields=["task"], name="artifact_unsettled"),
        ),
        migrations.AddConstraint(
            model_name="artifact",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("id", ""), _negated=True), models.Q(("storage_name", ""), _negated=True)),
                name="artifact_named",
            ),
        ),
        migrations.AddConstraint(
            model_name="artifact",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["upload", "reference", "output"])), name="artifact_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="artifact",
            constraint=models.CheckConstraint(
                condition=models.Q(("purpose__in", ["", "media_input", "reference_audio"])), name="artifact_purpose_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="artifact",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind", "upload"), ("task__isnull", False), _connector="OR"), name="artifact_of_a_task_or_uploaded"
            ),
        ),
        migrations.AddConstraint(
            model_name="artifact",
            constraint=models.CheckConstraint(
                condition=models.Q(("size_bytes__gt", 0), ("sha256__regex", "^[0-9a-f]{64}$")), name="artifact_has_bytes"
            ),
        ),
        migrations.AddConstraint(
            model_name="artifact",
            constraint=models.CheckConstraint(
                condition=models.Q(("duration_seconds__isnull", True), ("duration_seconds__gte", 0), _connector="OR"),
                name="artifact_duration_not_negative",
            ),
        ),
    ]
