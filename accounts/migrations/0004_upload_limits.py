from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_notices"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="stored_bytes",
            field=models.PositiveBigIntegerField(blank=True, help_text="Bytes in them all. Empty: what everybody has.", null=True),
        ),
        migrations.AddField(
            model_name="account",
            name="stored_uploads",
            field=models.PositiveIntegerField(
                blank=True, help_text="Uploads that it may keep at the same time. Empty: what everybody has.", null=True
            ),
        ),
    ]
