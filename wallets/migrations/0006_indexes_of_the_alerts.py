from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0005_idempotency_keys_and_replays"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                models.OrderBy(models.F("created_at"), descending=True),
                condition=models.Q(("alert", ""), _negated=True),
                name="usage_with_alert",
            ),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                models.OrderBy(models.F("created_at"), descending=True),
                condition=models.Q(("absorbed_cost_usd__gt", 0)),
                name="usage_absorbed",
            ),
        ),
    ]
