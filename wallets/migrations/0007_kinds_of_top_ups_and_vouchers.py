from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0006_indexes_of_the_alerts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="ledgerentry",
            name="entry_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="ledgerentry",
            name="entry_amount_fits_kind",
        ),
        migrations.AlterField(
            model_name="ledgerentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("welcome", "Welcome"),
                    ("grant", "Grant"),
                    ("charge", "Charge"),
                    ("refund", "Refund"),
                    ("adjustment", "Adjustment"),
                    ("topup", "top-up"),
                    ("topup_refund", "top-up refund"),
                    ("dispute", "Dispute"),
                    ("dispute_won", "dispute won"),
                    ("voucher", "Voucher"),
                    ("closure", "Closure"),
                ],
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "welcome",
                            "grant",
                            "charge",
                            "refund",
                            "adjustment",
                            "topup",
                            "topup_refund",
                            "dispute",
                            "dispute_won",
                            "voucher",
                            "closure",
                        ],
                    )
                ),
                name="entry_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount__gt", 0), ("kind__in", ["welcome", "grant", "refund", "topup", "dispute_won", "voucher"])),
                    models.Q(("amount__lte", 0), ("kind", "charge")),
                    models.Q(("amount__lt", 0), ("kind__in", ["closure", "topup_refund", "dispute"])),
                    models.Q(("kind", "adjustment"), models.Q(("amount", 0), _negated=True)),
                    _connector="OR",
                ),
                name="entry_amount_fits_kind",
            ),
        ),
    ]
