import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0004_runs_of_the_audit"),
    ]

    operations = [
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(db_collation="C", max_length=64)),
                ("fingerprint", models.CharField(max_length=64)),
                ("process_id", models.CharField(db_default="", max_length=64, verbose_name="process")),
                ("answer", models.BinaryField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="replay_of",
            field=models.CharField(blank=True, db_default="", help_text="The call whose answer was sent again.", max_length=40),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(("clause", "replay"), ("replay_of", ""), _connector="OR"), name="usage_only_replays_repeat"
            ),
        ),
        migrations.AddField(
            model_name="idempotencykey",
            name="usage",
            field=models.OneToOneField(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="idempotency_key", to="wallets.usagerecord"
            ),
        ),
        migrations.AddField(
            model_name="idempotencykey",
            name="wallet",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="idempotency_keys", to="wallets.wallet"
            ),
        ),
        migrations.AddIndex(
            model_name="idempotencykey",
            index=models.Index(fields=["expires_at"], name="idempotency_key_by_end"),
        ),
        migrations.AddConstraint(
            model_name="idempotencykey",
            constraint=models.UniqueConstraint(fields=("wallet", "digest"), name="idempotency_key_once_a_wallet"),
        ),
        migrations.AddConstraint(
            model_name="idempotencykey",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("digest", ""), _negated=True), models.Q(("fingerprint", ""), _negated=True)),
                name="idempotency_key_digested",
            ),
        ),
        migrations.AddConstraint(
            model_name="idempotencykey",
            constraint=models.CheckConstraint(condition=models.Q(("expires_at__gt", models.F("created_at"))), name="idempotency_key_lasts"),
        ),
    ]
