import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import wallets.models.wallet


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_notices"),
        ("wallets", "0009_indexes_of_the_ledger_page"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Voucher",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(db_collation="C", editable=False, max_length=64, unique=True)),
                ("prefix", models.CharField(db_collation="C", db_index=True, max_length=8, verbose_name="begins with")),
                ("uses", models.IntegerField()),
                ("used", models.IntegerField(default=0)),
                ("disabled_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="VoucherBatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("credits", wallets.models.wallet.CreditsField(decimal_places=4, max_digits=18, verbose_name="credits for each use")),
                ("codes", models.IntegerField(help_text="How many codes to make.")),
                (
                    "uses",
                    models.IntegerField(
                        default=1,
                        help_text="By how many accounts a code can be redeemed; by each of them once.",
                        verbose_name="uses of each code",
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, help_text="UTC. Empty: never.", null=True)),
                ("note", models.TextField(help_text="What they are for. Customers don't see it.")),
                ("form_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "verbose_name_plural": "voucher batches",
            },
        ),
        migrations.AddField(
            model_name="wallet",
            name="low_balance_credits",
            field=wallets.models.wallet.CreditsField(
                blank=True, decimal_places=4, editable=False, max_digits=18, null=True, verbose_name="mail below"
            ),
        ),
        migrations.AddField(
            model_name="wallet",
            name="low_balance_told_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="wallet",
            index=models.Index(
                condition=models.Q(("low_balance_credits__isnull", False)), fields=["id"], name="wallet_low_balance_watched"
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(condition=models.Q(("low_balance_credits__gt", 0)), name="wallet_low_balance_above_zero"),
        ),
        migrations.AddField(
            model_name="voucherbatch",
            name="created_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="voucher",
            name="batch",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="vouchers", to="wallets.voucherbatch"),
        ),
        migrations.AddConstraint(
            model_name="voucherbatch",
            constraint=models.CheckConstraint(
                condition=models.Q(("codes__gte", 1), ("credits__gt", 0), ("uses__gte", 1)), name="voucher_batch_above_zero"
            ),
        ),
        migrations.AddConstraint(
            model_name="voucher",
            constraint=models.CheckConstraint(
                condition=models.Q(("used__gte", 0), ("used__lte", models.F("uses"))), name="voucher_used_within_uses"
            ),
        ),
    ]
