import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import wallets.models.top_up
import wallets.models.wallet


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0011_spend_caps"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AutoTopUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "threshold_credits",
                    wallets.models.wallet.CreditsField(decimal_places=4, max_digits=18, verbose_name="threshold in credits"),
                ),
                ("amount_usd", wallets.models.top_up.AmountField(decimal_places=2, max_digits=12, verbose_name="amount in USD")),
                (
                    "monthly_ceiling_usd",
                    wallets.models.top_up.AmountField(decimal_places=2, max_digits=12, verbose_name="monthly ceiling in USD"),
                ),
                ("is_on", models.BooleanField(default=False, verbose_name="on")),
                (
                    "off_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("customer", "switched off by the customer"),
                            ("card_removed", "the card was removed"),
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
                ("failures", models.PositiveSmallIntegerField(default=0, verbose_name="failures in a row")),
                ("next_try_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "provider",
                    models.CharField(blank=True, choices=[("stripe", "Stripe"), ("sandbox", "Sandbox")], default="", max_length=16),
                ),
                ("customer_id", models.CharField(blank=True, db_collation="C", default="", max_length=255)),
                ("payment_method_id", models.CharField(blank=True, db_collation="C", default="", max_length=255)),
                ("card_brand", models.CharField(blank=True, default="", max_length=32)),
                ("card_last4", models.CharField(blank=True, default="", max_length=4)),
                ("card_expires", models.CharField(blank=True, default="", help_text="MM/YYYY", max_length=7)),
                (
                    "has_old_cards",
                    models.BooleanField(default=False, help_text="The provider has yet to forget a card that was replaced or removed."),
                ),
                ("setup_id", models.CharField(blank=True, db_collation="C", default="", max_length=40)),
                ("setup_session_id", models.CharField(blank=True, db_collation="C", default="", max_length=255)),
                ("setup_url", models.TextField(blank=True, default="")),
                ("setup_expires_at", models.DateTimeField(blank=True, null=True)),
                ("setup_asked_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("switched_at", models.DateTimeField(blank=True, null=True, verbose_name="last switched on or off")),
            ],
            options={
                "verbose_name": "automatic top-up",
            },
        ),
        migrations.RemoveConstraint(
            model_name="webhookevent",
            name="webhook_event_verdict_known",
        ),
        migrations.AddField(
            model_name="topup",
            name="customer_id",
            field=models.CharField(blank=True, db_collation="C", default="", max_length=255),
        ),
        migrations.AddField(
            model_name="topup",
            name="payment_method_id",
            field=models.CharField(blank=True, db_collation="C", default="", max_length=255),
        ),
        migrations.AlterField(
            model_name="webhookevent",
            name="verdict",
            field=models.CharField(
                choices=[
                    ("credited", "Credited"),
                    ("submitted", "Submitted"),
                    ("expired", "Expired"),
                    ("failed", "Failed"),
                    ("refunded", "Refunded"),
                    ("disputed", "Disputed"),
                    ("dispute_won", "dispute won"),
                    ("dispute_lost", "dispute lost"),
                    ("card_saved", "card saved"),
                    ("duplicate", "Duplicate"),
                    ("refused", "Refused"),
                    ("ignored", "Ignored"),
                ],
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "auto"), ("status", "pending")), fields=("wallet",), name="top_up_one_auto_pending"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "auto"), _negated=True),
                    models.Q(("customer_id", ""), ("payment_method_id", ""), _connector="OR", _negated=True),
                    _connector="OR",
                ),
                name="top_up_auto_names_its_card",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "verdict__in",
                        [
                            "credited",
                            "submitted",
                            "expired",
                            "failed",
                            "refunded",
                            "disputed",
                            "dispute_won",
                            "dispute_lost",
                            "card_saved",
                            "duplicate",
                            "refused",
                            "ignored",
                        ],
                    )
                ),
                name="webhook_event_verdict_known",
            ),
        ),
        migrations.AddField(
            model_name="autotopup",
            name="wallet",
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="auto_top_up", to="wallets.wallet"),
        ),
        migrations.AddIndex(
            model_name="autotopup",
            index=models.Index(condition=models.Q(("is_on", True)), fields=["next_try_at"], name="auto_top_up_on"),
        ),
        migrations.AddIndex(
            model_name="autotopup",
            index=models.Index(
                condition=models.Q(("setup_id", ""), _negated=True), fields=["setup_expires_at"], name="auto_top_up_setup_open"
            ),
        ),
        migrations.AddIndex(
            model_name="autotopup",
            index=models.Index(condition=models.Q(("has_old_cards", True)), fields=["id"], name="auto_top_up_old_cards"),
        ),
        migrations.AddConstraint(
            model_name="autotopup",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_usd__gt", 0), ("threshold_credits__gt", 0)), name="auto_top_up_above_zero"
            ),
        ),
        migrations.AddConstraint(
            model_name="autotopup",
            constraint=models.CheckConstraint(
                condition=models.Q(("monthly_ceiling_usd__gte", models.F("amount_usd"))), name="auto_top_up_ceiling_holds_one"
            ),
        ),
        migrations.AddConstraint(
            model_name="autotopup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_on", False), models.Q(models.Q(("payment_method_id", ""), _negated=True), ("off_reason", "")), _connector="OR"
                ),
                name="auto_top_up_on_has_card",
            ),
        ),
        migrations.AddConstraint(
            model_name="autotopup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("off_reason__in", ["", "customer", "card_removed", "failures", "suspended", "disputed", "refunded", "staff"])
                ),
                name="auto_top_up_off_reason_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="autotopup",
            constraint=models.CheckConstraint(
                condition=models.Q(("provider__in", ["", "stripe", "sandbox"])), name="auto_top_up_provider_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="autotopup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("card_last4", ""), ("payment_method_id", "")),
                    models.Q(("provider", ""), ("customer_id", ""), ("payment_method_id", ""), _connector="OR", _negated=True),
                    _connector="OR",
                ),
                name="auto_top_up_card_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="autotopup",
            constraint=models.CheckConstraint(
                condition=models.Q(("setup_id", ""), ("setup_expires_at__isnull", False), _connector="OR"), name="auto_top_up_setup_ends"
            ),
        ),
        migrations.AddConstraint(
            model_name="autotopup",
            constraint=models.UniqueConstraint(
                condition=models.Q(("setup_id", ""), _negated=True), fields=("setup_id",), name="auto_top_up_setup_unique"
            ),
        ),
    ]
