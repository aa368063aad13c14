import functools
from decimal import Decimal

import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import contract.ids
import wallets.models.top_up
import wallets.models.wallet


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0007_kinds_of_top_ups_and_vouchers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TopUp",
            fields=[
                (
                    "id",
                    models.CharField(
                        db_collation="C",
                        default=functools.partial(contract.ids.new_id, *("top",)),
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("provider", models.CharField(choices=[("stripe", "Stripe"), ("sandbox", "Sandbox")], max_length=16)),
                ("kind", models.CharField(choices=[("checkout", "Checkout"), ("auto", "automatic")], default="checkout", max_length=16)),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("paid", "Paid"), ("failed", "Failed"), ("expired", "Expired")],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("amount_usd", wallets.models.top_up.AmountField(decimal_places=2, max_digits=12, verbose_name="amount in USD")),
                ("currency", models.CharField(default="usd", max_length=3)),
                ("credits", wallets.models.wallet.CreditsField(decimal_places=4, max_digits=18)),
                ("credits_per_usd_rate", models.DecimalField(decimal_places=4, max_digits=12, verbose_name="credits per USD")),
                (
                    "refunded_usd",
                    wallets.models.top_up.AmountField(decimal_places=2, default=Decimal(0), max_digits=12, verbose_name="refunded in USD"),
                ),
                ("refunded_credits", wallets.models.wallet.CreditsField(decimal_places=4, default=Decimal(0), max_digits=18)),
                (
                    "disputed_credits",
                    wallets.models.wallet.CreditsField(
                        decimal_places=4, default=Decimal(0), help_text="Of disputes that are open or lost.", max_digits=18
                    ),
                ),
                ("submission", models.CharField(db_collation="C", max_length=80)),
                ("session_id", models.CharField(blank=True, db_collation="C", default="", max_length=255)),
                ("payment_id", models.CharField(blank=True, db_collation="C", default="", max_length=255)),
                ("checkout_url", models.TextField(blank=True, default="")),
                ("failure", models.CharField(blank=True, default="", max_length=200, verbose_name="why it failed")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField(help_text="When the provider's checkout ends.")),
                ("asked_at", models.DateTimeField(blank=True, help_text="When the provider was last asked about it.", null=True)),
                (
                    "submitted_at",
                    models.DateTimeField(blank=True, help_text="When the customer was through with the checkout, still unpaid.", null=True),
                ),
                ("paid_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, help_text="When it failed or expired.", null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="top_ups", to="wallets.wallet"
                    ),
                ),
            ],
            options={
                "verbose_name": "top-up",
            },
        ),
        migrations.CreateModel(
            name="Dispute",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("dispute_id", models.CharField(db_collation="C", max_length=50)),
                ("status", models.CharField(choices=[("open", "Open"), ("won", "Won"), ("lost", "Lost")], default="open", max_length=16)),
                ("amount_usd", wallets.models.top_up.AmountField(decimal_places=2, max_digits=12, verbose_name="amount in USD")),
                ("credits", wallets.models.wallet.CreditsField(decimal_places=4, default=Decimal(0), max_digits=18)),
                ("opened_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "top_up",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="disputes", to="wallets.topup"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebhookEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(choices=[("stripe", "Stripe"), ("sandbox", "Sandbox")], max_length=16)),
                ("event_id", models.CharField(db_collation="C", max_length=255)),
                ("type", models.CharField(max_length=100)),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("credited", "Credited"),
                            ("submitted", "Submitted"),
                            ("expired", "Expired"),
                            ("failed", "Failed"),
                            ("refunded", "Refunded"),
                            ("disputed", "Disputed"),
                            ("dispute_won", "dispute won"),
                            ("dispute_lost", "dispute lost"),
                            ("duplicate", "Duplicate"),
                            ("refused", "Refused"),
                            ("ignored", "Ignored"),
                        ],
                        max_length=16,
                    ),
                ),
                ("reason", models.CharField(blank=True, default="", max_length=200)),
                ("deliveries", models.IntegerField(default=1)),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "top_up",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_events",
                        to="wallets.topup",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(
                models.F("wallet"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="top_up_by_wallet",
            ),
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(condition=models.Q(("status", "pending")), fields=["created_at"], name="top_up_pending"),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(fields=("wallet", "submission"), name="top_up_once_a_form"),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(
                condition=models.Q(("session_id", ""), _negated=True), fields=("provider", "session_id"), name="top_up_session_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(
                condition=models.Q(("payment_id", ""), _negated=True), fields=("provider", "payment_id"), name="top_up_payment_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("id", ""), _negated=True), models.Q(("submission", ""), _negated=True)), name="top_up_named"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(condition=models.Q(("provider__in", ["stripe", "sandbox"])), name="top_up_provider_known"),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(condition=models.Q(("kind__in", ["checkout", "auto"])), name="top_up_kind_known"),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["pending", "paid", "failed", "expired"])), name="top_up_status_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(condition=models.Q(("currency", "usd")), name="top_up_in_usd"),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_usd__gt", 0), ("credits__gt", 0), ("credits_per_usd_rate__gt", 0)), name="top_up_above_zero"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(("refunded_usd__gte", 0), ("refunded_usd__lte", models.F("amount_usd"))),
                name="top_up_refund_within_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "credits__gte",
                        django.db.models.expressions.CombinedExpression(models.F("refunded_credits"), "+", models.F("disputed_credits")),
                    ),
                    ("disputed_credits__gte", 0),
                    ("refunded_credits__gte", 0),
                ),
                name="top_up_takes_back_no_more_than_it_gave",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paid_at__isnull", False), ("status", "paid")),
                    models.Q(
                        models.Q(("status", "paid"), _negated=True),
                        ("disputed_credits", 0),
                        ("paid_at__isnull", True),
                        ("refunded_credits", 0),
                    ),
                    _connector="OR",
                ),
                name="top_up_paid_has_its_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["failed", "expired"]), _negated=True), ("ended_at__isnull", False), _connector="OR"
                ),
                name="top_up_ended_has_its_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.UniqueConstraint(fields=("top_up", "dispute_id"), name="dispute_once"),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.CheckConstraint(condition=models.Q(("dispute_id", ""), _negated=True), name="dispute_named"),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.CheckConstraint(condition=models.Q(("status__in", ["open", "won", "lost"])), name="dispute_status_known"),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_usd__gt", 0), ("credits__gte", 0)), name="dispute_amounts_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("status", "open")),
                    models.Q(models.Q(("status", "open"), _negated=True), ("closed_at__isnull", False)),
                    _connector="OR",
                ),
                name="dispute_closed_has_its_time",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookevent",
            index=models.Index(condition=models.Q(("top_up__isnull", False)), fields=["top_up"], name="webhook_event_by_top_up"),
        ),
        migrations.AddIndex(
            model_name="webhookevent",
            index=models.Index(
                models.OrderBy(models.F("received_at"), descending=True),
                condition=models.Q(("verdict", "refused")),
                name="webhook_event_refused",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookevent",
            constraint=models.UniqueConstraint(fields=("provider", "event_id"), name="webhook_event_once"),
        ),
        migrations.AddConstraint(
            model_name="webhookevent",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("event_id", ""), _negated=True), models.Q(("type", ""), _negated=True)),
                name="webhook_event_named",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookevent",
            constraint=models.CheckConstraint(
                condition=models.Q(("provider__in", ["stripe", "sandbox"])), name="webhook_event_provider_known"
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
                            "duplicate",
                            "refused",
                            "ignored",
                        ],
                    )
                ),
                name="webhook_event_verdict_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookevent",
            constraint=models.CheckConstraint(condition=models.Q(("deliveries__gte", 1)), name="webhook_event_delivered"),
        ),
    ]
