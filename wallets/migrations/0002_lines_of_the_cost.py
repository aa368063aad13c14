from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0001_wallets_ledger_usage"),
    ]

    operations = [
        migrations.AddField(
            model_name="usagerecord",
            name="cost_lines",
            field=models.JSONField(blank=True, db_default=[]),
        ),
        migrations.AlterField(  # a source that names its entry was cut
            model_name="usagerecord",
            name="cost_source",
            field=models.CharField(blank=True, db_default="", max_length=240),
        ),
    ]
