from decimal import Decimal

import django.core.validators
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_seeded_routes_native"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="route",
            name="route_transport_known",
        ),
        migrations.RemoveConstraint(
            model_name="route",
            name="route_enabled_with_a_cost",
        ),
        migrations.AddField(
            model_name="price",
            name="provider_cost_usd",
            field=models.DecimalField(
                blank=True,
                decimal_places=12,
                help_text="What a task costs us, where that is known.",
                max_digits=24,
                null=True,
                validators=[django.core.validators.MinValueValidator(Decimal(0))],
                verbose_name="provider's cost in USD",
            ),
        ),
        migrations.AlterField(
            model_name="route",
            name="base_url",
            field=models.CharField(
                blank=True, help_text="Empty, over LiteLLM: the provider's own.", max_length=300, verbose_name="base URL"
            ),
        ),
        migrations.AlterField(
            model_name="route",
            name="litellm_model",
            field=models.CharField(blank=True, help_text='LiteLLM\'s name, provider first: "minimax/MiniMax-M2.7".', max_length=200),
        ),
        migrations.AlterField(
            model_name="route",
            name="transport",
            field=models.CharField(
                choices=[
                    ("native", "native (OpenAI's dialect)"),
                    ("litellm", "LiteLLM (any dialect)"),
                    ("minimax_music", "MiniMax music"),
                    ("suno", "Suno (sunoapi.org's dialect)"),
                ],
                default="litellm",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="route",
            name="upstream_model",
            field=models.CharField(blank=True, help_text="The name sent to the provider, but by LiteLLM.", max_length=200),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("provider_cost_usd__isnull", True),
                    models.Q(("credits_per_task__isnull", False), ("provider_cost_usd__gte", 0), ("provider_cost_usd__isnull", False)),
                    _connector="OR",
                ),
                name="price_cost_of_a_task",
            ),
        ),
        migrations.AddConstraint(
            model_name="route",
            constraint=models.CheckConstraint(
                condition=models.Q(("transport__in", ["native", "litellm", "minimax_music", "suno"])), name="route_transport_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="route",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("enabled", False),
                    models.Q(("transport__in", ("native", "litellm")), _negated=True),
                    models.Q(models.Q(("cost_method", ""), _negated=True), ("cost_version__gt", 0)),
                    _connector="OR",
                ),
                name="route_enabled_with_a_cost",
            ),
        ),
    ]
