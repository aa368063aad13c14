"""The routes of the first seed went over LiteLLM, for want of the native transport; staff had no choice to make yet."""

from django.db import migrations
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

SEEDED = ("minimax", "openai", "dashscope")


def go_native(apps, schema_editor):
    routes = apps.get_model("catalog", "Route").objects.filter(transport="litellm")
    of_provider = Q(name__in=SEEDED, litellm_model=Concat(F("name"), Value("/"), F("model_id"))) & ~Q(base_url="")
    routes.filter(of_provider | Q(name="sandbox", sandbox=True)).update(transport="native")


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_models_routes_prices")]
    operations = [migrations.RunPython(go_native, migrations.RunPython.noop)]
