from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0003_music_routes_and_costs"),
    ]

    operations = [
        migrations.AlterField(
            model_name="route",
            name="base_url",
            field=models.CharField(
                blank=True, help_text="Empty, over LiteLLM: the provider's own.", max_length=300, verbose_name="base URL"
            ),
        ),
        migrations.AlterField(
            model_name="route",
            name="upstream_model",
            field=models.CharField(blank=True, help_text="The name sent to the provider, but by LiteLLM.", max_length=200),
        ),
    ]
