from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_users_accounts_events"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="requests_per_minute",
            field=models.PositiveIntegerField(
                blank=True, help_text="Requests of all its keys together. Empty: what everybody has.", null=True
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("requests_per_minute__gte", 1)), name="account_requests_per_minute_from_one"
            ),
        ),
    ]
