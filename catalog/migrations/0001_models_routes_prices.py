from decimal import Decimal

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

# A price is never changed nor removed: a change is a new version.
APPEND_ONLY = """
CREATE FUNCTION catalog_price_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'catalog_price is append-only: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER catalog_price_append_only BEFORE UPDATE OR DELETE ON catalog_price
    FOR EACH ROW EXECUTE FUNCTION catalog_price_refuse_change();
"""
CHANGEABLE = """
DROP TRIGGER catalog_price_append_only ON catalog_price;
DROP FUNCTION catalog_price_refuse_change();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Model",
            fields=[
                (
                    "id",
                    models.CharField(
                        help_text="The public id. It can't be changed later.",
                        max_length=100,
                        primary_key=True,
                        serialize=False,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\\Z", "Letters, digits, dots, dashes and underscores, at most 100."
                            )
                        ],
                    ),
                ),
                ("display_name", models.CharField(max_length=100)),
                ("capability", models.CharField(choices=[("chat", "Chat"), ("music", "Music")], default="chat", max_length=16)),
                ("enabled", models.BooleanField(default=False)),
                (
                    "auto_rank",
                    models.PositiveIntegerField(
                        blank=True, help_text="Place in the order of auto, lowest first. Empty: not in auto.", null=True
                    ),
                ),
                ("context_window", models.PositiveIntegerField(default=0, help_text="Tokens of prompt and output together.")),
                ("max_output_tokens", models.PositiveIntegerField(default=0)),
                (
                    "default_output_tokens",
                    models.PositiveIntegerField(default=0, help_text="The output limit where the caller gives none."),
                ),
                ("tokens_per_image", models.PositiveIntegerField(default=0, help_text="What one image counts in estimates and holds.")),
                ("supported_fields", models.JSONField(blank=True, default=list)),
                ("temperature_min", models.DecimalField(decimal_places=2, default=Decimal(0), max_digits=3)),
                ("temperature_max", models.DecimalField(decimal_places=2, default=Decimal(2), max_digits=3)),
                ("model_options", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": [models.OrderBy(models.F("auto_rank"), nulls_last=True), "id"],
                "constraints": [
                    models.UniqueConstraint(django.db.models.functions.text.Lower("id"), name="model_id_unique_in_any_case"),
                    models.CheckConstraint(
                        condition=models.Q(models.Q(("id__iexact", "auto"), _negated=True), models.Q(("id", ""), _negated=True)),
                        name="model_id_is_not_auto",
                    ),
                    models.CheckConstraint(condition=models.Q(("capability__in", ["chat", "music"])), name="model_capability_known"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("default_output_tokens__lte", models.F("max_output_tokens")),
                            ("max_output_tokens__lte", models.F("context_window")),
                        ),
                        name="model_limits_fit_each_other",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("enabled", False),
                            models.Q(("capability", "chat"), _negated=True),
                            ("default_output_tokens__gt", 0),
                            _connector="OR",
                        ),
                        name="model_enabled_with_limits",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("temperature_min__gte", 0), ("temperature_min__lte", models.F("temperature_max")), ("temperature_max__lte", 2)
                        ),
                        name="model_temperature_range",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField(editable=False)),
                (
                    "credits_per_litellm_usd",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        max_digits=12,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(Decimal("0.0001"))],
                        verbose_name="credits per LiteLLM USD",
                    ),
                ),
                (
                    "credits_per_task",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        max_digits=12,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(Decimal("0.0001"))],
                    ),
                ),
                ("effective_from", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("reason", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "author",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("model", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="prices", to="catalog.model")),
            ],
            options={
                "ordering": ["model", "-version"],
                "indexes": [models.Index(fields=["model", "-effective_from", "-version"], name="price_by_time")],
                "constraints": [
                    models.UniqueConstraint(fields=("model", "version"), name="price_version_unique_in_model"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("credits_per_litellm_usd__gt", 0),
                                ("credits_per_litellm_usd__isnull", False),
                                ("credits_per_task__isnull", True),
                            ),
                            models.Q(
                                ("credits_per_litellm_usd__isnull", True),
                                ("credits_per_task__gt", 0),
                                ("credits_per_task__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="price_has_one_positive_amount",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("version__gt", 0), models.Q(("reason", ""), _negated=True)), name="price_version_and_reason"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Route",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="Shown on receipts and in reports.", max_length=60)),
                ("rank", models.PositiveIntegerField(default=100, help_text="Tried in this order, lowest first.")),
                ("enabled", models.BooleanField(default=False)),
                ("disabled_reason", models.CharField(blank=True, editable=False, max_length=200)),
                (
                    "transport",
                    models.CharField(
                        choices=[("native", "native (OpenAI's dialect)"), ("litellm", "LiteLLM (any dialect)")],
                        default="litellm",
                        max_length=16,
                    ),
                ),
                ("litellm_model", models.CharField(help_text='LiteLLM\'s name, provider first: "minimax/MiniMax-M2.7".', max_length=200)),
                ("upstream_model", models.CharField(blank=True, help_text="The name sent by the native transport.", max_length=200)),
                ("base_url", models.CharField(blank=True, help_text="Empty: the provider's own.", max_length=300, verbose_name="base URL")),
                (
                    "base_url_env",
                    models.CharField(
                        blank=True,
                        help_text="An environment variable that wins over it.",
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Z][A-Z0-9_]{0,90}_API_BASE\\Z",
                                "Capitals, digits and underscores with _API_BASE at the end, as OPENAI_API_BASE.",
                            )
                        ],
                        verbose_name="base URL variable",
                    ),
                ),
                (
                    "credential_env",
                    models.CharField(
                        blank=True,
                        help_text="The environment variable with the API key.",
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Z][A-Z0-9_]{0,91}_API_KEY\\Z",
                                "Capitals, digits and underscores with _API_KEY at the end, as OPENAI_API_KEY.",
                            )
                        ],
                        verbose_name="credential variable",
                    ),
                ),
                ("sandbox", models.BooleanField(default=False, help_text="Answers come from the sandbox provider, not from the model.")),
                (
                    "stoppable",
                    models.BooleanField(
                        default=False, help_text="The provider stops billing on a closed connection, and all it bills is in the stream."
                    ),
                ),
                (
                    "cost_key",
                    models.CharField(
                        blank=True,
                        help_text='LiteLLM\'s price entry, as "dashscope/qwen-max". Empty: an override.',
                        max_length=200,
                        verbose_name="LiteLLM price key",
                    ),
                ),
                ("cost_entry", models.JSONField(blank=True, default=dict, editable=False)),
                ("cost_source", models.CharField(blank=True, editable=False, max_length=200)),
                ("cost_override", models.JSONField(blank=True, null=True)),
                (
                    "cost_method",
                    models.CharField(
                        blank=True,
                        choices=[("decimal", "decimal (our own sum, proven equal)"), ("litellm", "LiteLLM's cost_per_token")],
                        editable=False,
                        max_length=16,
                    ),
                ),
                ("cost_version", models.PositiveIntegerField(default=0, editable=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("model", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="routes", to="catalog.model")),
            ],
            options={
                "ordering": ["model", "rank", "id"],
                "indexes": [models.Index(fields=["model", "rank", "id"], name="route_in_order")],
                "constraints": [
                    models.UniqueConstraint(fields=("model", "name"), name="route_name_unique_in_model"),
                    models.CheckConstraint(condition=models.Q(("transport__in", ["native", "litellm"])), name="route_transport_known"),
                    models.CheckConstraint(
                        condition=models.Q(("cost_method__in", ["", "decimal", "litellm"])), name="route_cost_method_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("enabled", False),
                            models.Q(models.Q(("cost_method", ""), _negated=True), ("cost_version__gt", 0)),
                            _connector="OR",
                        ),
                        name="route_enabled_with_a_cost",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("sandbox", False), models.Q(("base_url", ""), ("base_url_env", ""), ("credential_env", "")), _connector="OR"
                        ),
                        name="route_sandbox_has_no_credential",
                    ),
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, CHANGEABLE),
    ]
