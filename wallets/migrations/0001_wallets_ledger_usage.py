import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import wallets.models.wallet

# What is written in the books stays. TRUNCATE alone can be allowed, for test databases: SET beatra.allow_truncate = 'on'.
APPEND_ONLY = """
create function wallets_refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'TRUNCATE' and current_setting('beatra.allow_truncate', true) = 'on' then
        return null;
    end if;
    raise exception '% refused on %: it is append-only', tg_op, tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger append_only before update or delete on wallets_ledgerentry
    for each row execute function wallets_refuse_change();
create trigger no_truncate before truncate on wallets_ledgerentry
    for each statement execute function wallets_refuse_change();
create trigger append_only before update or delete on wallets_creditsperusdrate
    for each row execute function wallets_refuse_change();
create trigger no_truncate before truncate on wallets_creditsperusdrate
    for each statement execute function wallets_refuse_change();

create function wallets_keep_receipt() returns trigger language plpgsql as $$
begin
    if (to_jsonb(new) - 'refunded_credits' - 'metadata') is distinct from (to_jsonb(old) - 'refunded_credits' - 'metadata') then
        raise exception 'usage record % is closed: only its refund may change', old.id using errcode = 'restrict_violation';
    end if;
    return new;
end $$;

create trigger keep_receipt before update on wallets_usagerecord
    for each row when (old.status <> 'open' and old.task_id = '') execute function wallets_keep_receipt();
create trigger no_delete before delete on wallets_usagerecord
    for each row execute function wallets_refuse_change();
create trigger no_truncate before truncate on wallets_usagerecord
    for each statement execute function wallets_refuse_change();
"""
APPEND_ONLY_BACK = """
drop trigger no_truncate on wallets_usagerecord;
drop trigger no_delete on wallets_usagerecord;
drop trigger keep_receipt on wallets_usagerecord;
drop function wallets_keep_receipt();
drop trigger no_truncate on wallets_creditsperusdrate;
drop trigger append_only on wallets_creditsperusdrate;
drop trigger no_truncate on wallets_ledgerentry;
drop trigger append_only on wallets_ledgerentry;
drop function wallets_refuse_change();
"""

# VOLATILE: its query sees what was committed before it ran, not only what the calling statement's snapshot saw. That is how `place`
# recognises its own earlier try, when that one committed while this one waited for the wallet.
# By the primary key alone: asked for the wallet too, a planner that knows nothing of the table yet may walk through all its records.
PLACED = """
create function wallets_placed(usage_id text, wallet_id bigint) returns boolean language plpgsql volatile as $$
begin
    return coalesce((select u.wallet_id from wallets_usagerecord u where u.id = $1) = $2, false);
end $$;
"""
PLACED_BACK = "drop function wallets_placed(text, bigint);"


def without_indexes_for_like(apps, schema_editor):
    """Django ends a migration with an index for LIKE on every unique text column, which no charge should have to write.

    Under the collation "C" the unique index serves LIKE as well; a process is never searched for by a beginning.
    """
    schema_editor.deferred_sql[:] = [statement for statement in schema_editor.deferred_sql if "varchar_pattern_ops" not in str(statement)]


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_users_accounts_events"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Process",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "processes",
            },
        ),
        migrations.CreateModel(
            name="Wallet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("balance", wallets.models.wallet.CreditsField(decimal_places=4, default=0, editable=False, max_digits=18)),
                ("held", wallets.models.wallet.CreditsField(decimal_places=4, default=0, editable=False, max_digits=18)),
                ("in_flight", models.IntegerField(default=0, editable=False)),
                ("entries", models.BigIntegerField(default=0, editable=False)),
                (
                    "max_in_flight",
                    models.IntegerField(
                        default=64,
                        help_text="Calls of this account that may run at the same time.",
                        verbose_name="calls in flight, at most",
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "account",
                    models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="wallet", to="accounts.account"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="UsageRecord",
            fields=[
                (
                    "id",
                    models.CharField(
                        db_collation="C",
                        help_text="chatcmpl_… or tsk_…, as the caller sees it.",
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("process_id", models.CharField(db_default="", max_length=64, verbose_name="process")),
                ("request_id", models.CharField(db_default="", max_length=128)),
                ("capability", models.CharField(max_length=32)),
                ("key_id", models.BigIntegerField(blank=True, null=True)),
                ("key_prefix", models.CharField(blank=True, db_default="", max_length=16)),
                ("key_name", models.CharField(blank=True, db_default="", max_length=200)),
                ("model_asked", models.CharField(db_default="", max_length=200)),
                ("model", models.CharField(db_default="", max_length=200)),
                ("route", models.CharField(db_default="", max_length=200)),
                ("task_id", models.CharField(blank=True, db_default="", max_length=40)),
                ("stream", models.BooleanField(db_default=False)),
                ("status", models.CharField(choices=[("open", "Open"), ("charged", "Charged"), ("released", "Released")], max_length=16)),
                ("outcome", models.CharField(blank=True, db_default="", max_length=32)),
                (
                    "clause",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("replay", "Replay"),
                            ("not_sent", "Not Sent"),
                            ("lost", "Lost"),
                            ("stopped", "Stopped"),
                            ("cut_by_limit", "Cut By Limit"),
                            ("upstream_failed", "Upstream Failed"),
                            ("empty", "Empty"),
                            ("drained", "Drained"),
                            ("complete", "Complete"),
                        ],
                        db_default="",
                        max_length=32,
                    ),
                ),
                ("error_code", models.CharField(blank=True, db_default="", max_length=64)),
                ("estimated", models.BooleanField(db_default=False)),
                ("alert", models.CharField(blank=True, db_default="", max_length=64)),
                ("hold_credits", wallets.models.wallet.CreditsField(decimal_places=4, max_digits=18)),
                ("charged_credits", wallets.models.wallet.CreditsField(db_default=0, decimal_places=4, max_digits=18)),
                ("refunded_credits", wallets.models.wallet.CreditsField(db_default=0, decimal_places=4, max_digits=18)),
                ("cost_usd", wallets.models.wallet.UsdField(db_default=0, decimal_places=12, max_digits=24)),
                ("absorbed_cost_usd", wallets.models.wallet.UsdField(db_default=0, decimal_places=12, max_digits=24)),
                ("credits_per_litellm_usd", models.DecimalField(blank=True, decimal_places=6, max_digits=18, null=True)),
                ("price_version", models.IntegerField(blank=True, null=True)),
                ("cost_source", models.CharField(blank=True, db_default="", max_length=32)),
                ("credits_per_usd_rate", models.DecimalField(blank=True, decimal_places=4, max_digits=12, null=True)),
                ("credits_usd_reference", models.DecimalField(blank=True, decimal_places=4, max_digits=24, null=True)),
                ("prompt_tokens", models.BigIntegerField(db_default=0)),
                ("cached_tokens", models.BigIntegerField(db_default=0)),
                ("cache_write_tokens", models.BigIntegerField(db_default=0)),
                ("completion_tokens", models.BigIntegerField(db_default=0)),
                ("reasoning_tokens", models.BigIntegerField(db_default=0)),
                ("attempts", models.JSONField(db_default=[])),
                ("metadata", models.JSONField(db_default={})),
                ("latency_ms", models.IntegerField(blank=True, null=True)),
                ("first_output_ms", models.IntegerField(blank=True, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("closed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="usage", to="wallets.wallet"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("seq", models.BigIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("welcome", "Welcome"),
                            ("grant", "Grant"),
                            ("charge", "Charge"),
                            ("refund", "Refund"),
                            ("adjustment", "Adjustment"),
                            ("topup", "top-up"),
                            ("closure", "Closure"),
                        ],
                        max_length=16,
                    ),
                ),
                ("amount", wallets.models.wallet.CreditsField(decimal_places=4, max_digits=18)),
                ("balance_after", wallets.models.wallet.CreditsField(decimal_places=4, max_digits=18)),
                ("reference", models.CharField(db_collation="C", max_length=100, unique=True)),
                ("reason", models.TextField(blank=True, db_default="")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "actor",
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
                    "usage_record",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="ledger",
                        to="wallets.usagerecord",
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="ledger", to="wallets.wallet"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "ledger entries",
            },
        ),
        migrations.CreateModel(
            name="CreditsPerUsdRate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("value", models.DecimalField(decimal_places=4, max_digits=12, verbose_name="credits per USD")),
                ("effective_from", models.DateTimeField(default=django.utils.timezone.now)),
                ("reason", models.TextField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="Empty: the whole site.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rates",
                        to="wallets.wallet",
                    ),
                ),
            ],
            options={
                "verbose_name": "credits-per-USD rate",
            },
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(condition=models.Q(("held__gte", 0)), name="wallet_held_not_negative"),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(condition=models.Q(("in_flight__gte", 0)), name="wallet_in_flight_not_negative"),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(condition=models.Q(("entries__gte", 0)), name="wallet_entries_not_negative"),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(condition=models.Q(("max_in_flight__gte", 0)), name="wallet_max_in_flight_not_negative"),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(("in_flight__gt", 0), ("held", 0), _connector="OR"), name="wallet_holds_only_in_flight"
            ),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                models.F("wallet"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="usage_by_wallet",
            ),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(fields=["request_id"], name="usage_by_request"),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(condition=models.Q(("status", "open")), fields=["process_id"], name="usage_open_by_process"),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(condition=models.Q(("id", ""), _negated=True), name="usage_id_given"),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["open", "charged", "released"])), name="usage_status_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "clause__in",
                        ["", "replay", "not_sent", "lost", "stopped", "cut_by_limit", "upstream_failed", "empty", "drained", "complete"],
                    )
                ),
                name="usage_clause_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("status", "open")),
                    models.Q(models.Q(("status", "open"), _negated=True), ("closed_at__isnull", False)),
                    _connector="OR",
                ),
                name="usage_closed_has_its_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(("status", "charged"), ("charged_credits", 0), _connector="OR"), name="usage_only_charged_costs"
            ),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "charged"), _negated=True),
                    models.Q(
                        ("credits_per_usd_rate__isnull", False), ("credits_usd_reference__isnull", False), ("price_version__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="usage_charged_has_price_and_rate",
            ),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(condition=models.Q(("hold_credits__gte", 0)), name="usage_hold_not_negative"),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(("refunded_credits__gte", 0), ("refunded_credits__lte", models.F("charged_credits"))),
                name="usage_refund_within_charge",
            ),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(("absorbed_cost_usd__gte", 0), ("cost_usd__gte", 0)), name="usage_costs_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("cache_write_tokens__gte", 0),
                    ("cached_tokens__gte", 0),
                    ("completion_tokens__gte", 0),
                    ("prompt_tokens__gte", 0),
                    ("reasoning_tokens__gte", 0),
                ),
                name="usage_tokens_not_negative",
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(condition=models.Q(("usage_record__isnull", False)), fields=["usage_record"], name="entry_by_usage"),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(condition=models.Q(("actor__isnull", False)), fields=["actor"], name="entry_by_actor"),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.UniqueConstraint(fields=("wallet", "seq"), name="entry_seq_unique"),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(condition=models.Q(("seq__gte", 1)), name="entry_seq_from_one"),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(condition=models.Q(("reference", ""), _negated=True), name="entry_reference_given"),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["welcome", "grant", "charge", "refund", "adjustment", "topup", "closure"])),
                name="entry_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount__gt", 0), ("kind__in", ["welcome", "grant", "refund", "topup"])),
                    models.Q(("amount__lte", 0), ("kind", "charge")),
                    models.Q(("amount__lt", 0), ("kind", "closure")),
                    models.Q(("kind", "adjustment"), models.Q(("amount", 0), _negated=True)),
                    _connector="OR",
                ),
                name="entry_amount_fits_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("kind", "charge"), _negated=True), ("usage_record__isnull", False), _connector="OR"),
                name="entry_charge_names_usage",
            ),
        ),
        migrations.AddIndex(
            model_name="creditsperusdrate",
            index=models.Index(
                models.F("wallet"),
                models.OrderBy(models.F("effective_from"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="rate_newest_first",
            ),
        ),
        migrations.AddConstraint(
            model_name="creditsperusdrate",
            constraint=models.CheckConstraint(condition=models.Q(("value__gt", 0)), name="rate_above_zero"),
        ),
        migrations.AddConstraint(
            model_name="creditsperusdrate",
            constraint=models.CheckConstraint(condition=models.Q(("reason", ""), _negated=True), name="rate_reason_given"),
        ),
        migrations.RunSQL(APPEND_ONLY, APPEND_ONLY_BACK),
        migrations.RunSQL(PLACED, PLACED_BACK),
        migrations.RunPython(without_indexes_for_like, migrations.RunPython.noop),
    ]
