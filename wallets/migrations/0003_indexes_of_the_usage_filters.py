from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0002_lines_of_the_cost"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="usagerecord",
            name="usage_by_request",
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                models.F("key_id"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("key_id__isnull", False)),
                name="usage_by_key",
            ),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                models.F("wallet"),
                models.F("model"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="usage_by_model",
            ),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                models.F("request_id"),
                models.F("wallet"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="usage_by_request",
            ),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                models.F("wallet"),
                models.F("clause"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("clause__in", ["", "complete"]), _negated=True),
                name="usage_by_rare_clause",
            ),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(
                models.F("wallet"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("estimated", True)),
                name="usage_estimated",
            ),
        ),
    ]
