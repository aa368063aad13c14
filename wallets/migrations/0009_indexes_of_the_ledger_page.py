from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0008_top_ups_disputes_webhooks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(
                models.F("wallet"),
                models.F("kind"),
                models.OrderBy(models.F("seq"), descending=True),
                condition=models.Q(("kind", "charge"), _negated=True),
                name="entry_by_rare_kind",
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(
                models.F("wallet"),
                models.OrderBy(models.F("seq"), descending=True),
                condition=models.Q(("kind", "charge"), _negated=True),
                name="entry_no_charge",
            ),
        ),
    ]
