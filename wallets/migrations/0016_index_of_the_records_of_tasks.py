from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0015_choices_read_alike"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                models.F("wallet"),
                models.F("outcome"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("task_id", ""), _negated=True),
                name="usage_of_tasks",
            ),
        ),
    ]
