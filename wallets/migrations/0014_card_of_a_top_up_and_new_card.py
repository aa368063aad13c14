from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0013_what_staff_must_look_at"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="autotopup",
            name="auto_top_up_off_reason_known",
        ),
        migrations.AddField(
            model_name="topup",
            name="card",
            field=models.CharField(blank=True, default="", max_length=60, verbose_name="the card, as its owner knows it"),
        ),
        migrations.AlterField(
            model_name="autotopup",
            name="off_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("customer", "switched off by the customer"),
                    ("card_removed", "the card was removed"),
                    ("new_card", "another card was saved"),
                    ("failures", "payments failed"),
                    ("suspended", "the account is not active"),
                    ("disputed", "a payment was disputed"),
                    ("refunded", "a payment was refunded"),
                    ("staff", "switched off by staff"),
                ],
                default="",
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="autotopup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "off_reason__in",
                        ["", "customer", "card_removed", "new_card", "failures", "suspended", "disputed", "refunded", "staff"],
                    )
                ),
                name="auto_top_up_off_reason_known",
            ),
        ),
    ]
