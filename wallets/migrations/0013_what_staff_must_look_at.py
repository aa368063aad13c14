import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0012_automatic_top_ups"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="webhookevent",
            name="webhook_event_refused",
        ),
        migrations.AddField(
            model_name="autotopup",
            name="old_cards_asked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="autotopup",
            name="problem",
            field=models.CharField(
                blank=True, default="", help_text="Why the provider's word about the card being entered was refused.", max_length=200
            ),
        ),
        migrations.AddField(
            model_name="topup",
            name="problem",
            field=models.CharField(
                blank=True, default="", help_text="Why the provider's word was refused when it was asked: staff must look.", max_length=200
            ),
        ),
        migrations.AddField(
            model_name="webhookevent",
            name="seen_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="dealt with"),
        ),
        migrations.AddField(
            model_name="webhookevent",
            name="seen_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(condition=models.Q(("problem", ""), _negated=True), fields=["id"], name="top_up_in_question"),
        ),
        migrations.AddIndex(
            model_name="webhookevent",
            index=models.Index(
                models.OrderBy(models.F("received_at"), descending=True),
                condition=models.Q(("seen_at", None), ("verdict", "refused")),
                name="webhook_event_unseen",
            ),
        ),
    ]
