from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_notices"),
        ("tasks_app", "0001_tasks_and_artifacts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Leftover",
            fields=[
                ("storage_name", models.CharField(db_collation="C", max_length=200, primary_key=True, serialize=False)),
                ("condemned", models.BooleanField(default=False)),
                ("due_at", models.DateTimeField()),
            ],
        ),
        migrations.AddIndex(
            model_name="artifact",
            index=models.Index(
                condition=models.Q(models.Q(("kind", "upload"), _negated=True), ("removed_at", None)),
                fields=["created_at"],
                name="artifact_of_tasks",
            ),
        ),
        migrations.AddIndex(
            model_name="leftover",
            index=models.Index(fields=["due_at"], name="leftover_due"),
        ),
        migrations.AddConstraint(
            model_name="leftover",
            constraint=models.CheckConstraint(condition=models.Q(("storage_name", ""), _negated=True), name="leftover_named"),
        ),
    ]
