from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tasks_app", "0002_leftovers"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="hinted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
