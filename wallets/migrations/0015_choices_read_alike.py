from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallets", "0014_card_of_a_top_up_and_new_card"),
    ]

    operations = [
        migrations.AlterField(
            model_name="topup",
            name="kind",
            field=models.CharField(choices=[("checkout", "Checkout"), ("auto", "Automatic")], default="checkout", max_length=16),
        ),
        migrations.AlterField(
            model_name="webhookevent",
            name="verdict",
            field=models.CharField(
                choices=[
                    ("credited", "Credited"),
                    ("submitted", "Submitted"),
                    ("expired", "Expired"),
                    ("failed", "Failed"),
                    ("refunded", "Refunded"),
                    ("disputed", "Disputed"),
                    ("dispute_won", "Dispute won"),
                    ("dispute_lost", "Dispute lost"),
                    ("card_saved", "Card saved"),
                    ("duplicate", "Duplicate"),
                    ("refused", "Refused"),
                    ("ignored", "Ignored"),
                ],
                max_length=16,
            ),
        ),
    ]
