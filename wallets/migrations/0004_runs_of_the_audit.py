import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0003_indexes_of_the_usage_filters"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("ended_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("wallets", models.BigIntegerField()),
                ("entries", models.BigIntegerField()),
                ("usage_records", models.BigIntegerField()),
                ("differences", models.BigIntegerField()),
            ],
        ),
    ]
