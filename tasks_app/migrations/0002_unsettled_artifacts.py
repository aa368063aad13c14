from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_upload_limits"),
        ("tasks_app", "0001_tasks_and_artifacts"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="artifact", name="artifact_of_tasks"),
        migrations.AddField(
            model_name="artifact",
            name="unsettled",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.RunSQL(
            "update tasks_app_artifact set unsettled = true where kind <> 'upload' and removed_at is null",
            migrations.RunSQL.noop,
        ),
        migrations.AddIndex(
            model_name="artifact",
            index=models.Index(condition=models.Q(("unsettled", True)), fields=["task"], name="artifact_unsettled"),
        ),
    ]
