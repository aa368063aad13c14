import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import wallets.models.wallet


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0007_kinds_of_top_ups_and_vouchers"),
    ]

    operations = [
        migrations.CreateModel(
            name="BudgetKey",
            fields=[
                ("key_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("budget_id", models.BigIntegerField(db_index=True)),
            ],
        ),
        migrations.AddField(
            model_name="wallet",
            name="caps_version",
            field=models.IntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.CreateModel(
            name="Cap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("budget_id", models.BigIntegerField(verbose_name="budget")),
                (
                    "window",
                    models.CharField(choices=[("day", "Day"), ("week", "Week"), ("month", "Month"), ("total", "Total")], max_length=8),
                ),
                ("limit_credits", wallets.models.wallet.CreditsField(decimal_places=4, max_digits=18)),
                ("period", models.DateTimeField(verbose_name="period began")),
                ("spent", wallets.models.wallet.CreditsField(decimal_places=4, default=0, max_digits=18)),
                ("held", wallets.models.wallet.CreditsField(decimal_places=4, default=0, max_digits=18)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("wallet", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="caps", to="wallets.wallet")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("budget_id", "window"), name="cap_once_for_a_window"),
                    models.CheckConstraint(condition=models.Q(("window__in", ["day", "week", "month", "total"])), name="cap_window_known"),
                    models.CheckConstraint(condition=models.Q(("limit_credits__gte", 0)), name="cap_limit_not_negative"),
                    models.CheckConstraint(condition=models.Q(("spent__gte", 0)), name="cap_spent_not_negative"),
                    models.CheckConstraint(condition=models.Q(("held__gte", 0)), name="cap_held_not_negative"),
                ],
            },
        ),
    ]
