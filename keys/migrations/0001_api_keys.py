import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_users_accounts_events"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=64)),
                ("prefix", models.CharField(max_length=12)),
                ("digest", models.CharField(max_length=64)),
                (
                    "allowed_models",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=128), blank=True, null=True, size=None
                    ),
                ),
                ("submission", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("account", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="api_keys", to="accounts.account")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "permissions": [("revoke_apikey", "Can revoke API keys")],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["account", "-created_at", "-id"], name="api_key_by_account"),
                    models.Index(fields=["prefix"], name="api_key_by_prefix", opclasses=["varchar_pattern_ops"]),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("digest",), name="api_key_digest_unique"),
                    models.UniqueConstraint(fields=("account", "submission"), name="api_key_submission_unique"),
                    models.CheckConstraint(condition=models.Q(("digest__regex", "^[0-9a-f]{64}$")), name="api_key_digest_is_hmac_sha256"),
                    models.CheckConstraint(condition=models.Q(("prefix__regex", "^sk-bt-[0-9A-Za-z]{6}$")), name="api_key_prefix_only"),
                    models.CheckConstraint(condition=models.Q(("name__regex", "\\S")), name="api_key_name_not_blank"),
                ],
            },
        ),
    ]
