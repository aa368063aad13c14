"""The catalog of a new installation."""

import subprocess
import sys
from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps

from catalog import editing
from catalog.models import Model, Price, Route
from catalog.music_models import music_models
from catalog.music_seed import MUSIC_SEEDS
from catalog.price_list import read
from catalog.seed import SEEDS, seed

pytestmark = pytest.mark.django_db

EVERY_SEED = (*SEEDS, *MUSIC_SEEDS)
KEYS = {one.credential_env for one in EVERY_SEED}


@pytest.fixture(autouse=True)
def empty(monkeypatch, db):
    """A catalog before its first seed, in a sandbox, without credentials."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE catalog_price, catalog_route, catalog_model CASCADE")
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)


@pytest.fixture(autouse=True)
def sandbox(settings):
    settings.SANDBOX = True


def on(model_id):
    return list(Route.objects.filter(model=model_id, enabled=True).values_list("name", flat=True))


def test_six_models_are_there_in_the_order_of_auto():
    seed()
    assert list(Model.objects.filter(enabled=True).values_list("id", flat=True)) == [
        "MiniMax-M2.7",
        "gpt-4o-mini",
        "qwen-max",
        "claude-sonnet-5-5",
        "minimax-music-2.6",
        "suno-5.5",
    ]


def test_music_has_the_prices_of_the_contract():
    seed()
    prices = {price.model_id: (price.credits_per_task, price.provider_cost_usd) for price in Price.objects.filter(credits_per_task__gt=0)}
    assert prices == {"suno-5.5": (Decimal(80), None), "minimax-music-2.6": (Decimal(50), Decimal("0.15"))}


def test_music_is_made_in_the_sandbox_until_there_is_a_key(monkeypatch, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:7777"
    monkeypatch.delenv("MINIMAX_MUSIC_API_BASE", raising=False)
    seed()
    assert [(model.id, model.family, model.routes[0].base_url, model.routes[0].upstream_model) for model in music_models()] == [
        ("minimax-music-2.6", "minimax_music", "http://127.0.0.1:7777/minimax", "music-2.6"),
        ("suno-5.5", "suno", "http://127.0.0.1:7777/suno", "V5_5"),
    ]
    monkeypatch.setenv("MINIMAX_API_KEY", "secret")
    monkeypatch.setenv("MINIMAX_API_BASE", "https://chat.example/v1")
    seed()
    minimax, suno = music_models()
    (route,) = minimax.routes
    assert (route.name, route.base_url, route.api_key(), route.sandbox) == ("minimax", "https://api.minimax.io", "secret", False)
    assert [route.sandbox for route in suno.routes] == [True]
    monkeypatch.setenv("MINIMAX_MUSIC_API_BASE", "https://music.example/")
    assert music_models()[0].routes[0].base_url == "https://music.example"


def test_minimax_has_the_price_of_the_contract():
    seed()
    assert Price.objects.get(model="MiniMax-M2.7").credits_per_litellm_usd == Decimal(1500)
    for route in Route.objects.filter(model="MiniMax-M2.7"):
        rates = read(route.effective_cost_entry).tier(1).rates
        per_million = [rate * 10**6 for rate in (rates.input, rates.output, rates.cached, rates.cache_write)]
        assert per_million == [Decimal("0.30"), Decimal("1.20"), Decimal("0.06"), Decimal("0.375")]
    assert Model.objects.get(id="MiniMax-M2.7").context_window == 204_800


def test_every_seeded_row_passes_the_rules_for_staff():
    seed()
    for model in Model.objects.all():
        model.full_clean()
    for route in Route.objects.all():
        route.full_clean()
    for route in Route.objects.filter(model__capability="chat"):
        assert route.cost_version == 1, "and its method is what the comparison says"


def test_without_credentials_the_sandboxs_routes_are_on_with_the_real_prices():
    seed()
    assert {name for one in EVERY_SEED for name in on(one.id)} == {"sandbox"}
    real, sandbox = Route.objects.filter(model="qwen-max").order_by("rank")
    assert (real.disabled_reason, sandbox.litellm_model) == ("DASHSCOPE_API_KEY is not set", "openai/qwen-max")
    assert real.effective_cost_entry == sandbox.effective_cost_entry


def test_only_what_speaks_another_dialect_goes_over_litellm():
    seed()
    over = {(route.model_id, route.name): route.transport for route in Route.objects.filter(model__capability="chat")}
    assert {way for way, transport in over.items() if transport == "litellm"} == {("claude-sonnet-5-5", "anthropic")}
    assert len(over) == 8


def test_an_installation_from_before_the_native_transport_takes_it_over():
    seed()
    now = dict(Route.objects.values_list("pk", "transport"))
    Route.objects.filter(model__capability="chat").update(transport="litellm")
    staffs = Route.objects.create(model_id="gpt-4o-mini", name="proxy", transport="litellm", litellm_model="openai/gpt-4o-mini")
    import_module("catalog.migrations.0002_seeded_routes_native").go_native(apps, None)
    assert dict(Route.objects.values_list("pk", "transport")) == {**now, staffs.pk: "litellm"}


def test_outside_a_sandbox_its_routes_are_off(settings):
    settings.SANDBOX = False
    seed()
    assert not Route.objects.filter(enabled=True).exists()
    assert set(Route.objects.filter(sandbox=True).values_list("disabled_reason", flat=True)) == {"the sandbox is off"}


def test_routes_follow_the_credentials_from_start_to_start(monkeypatch, settings):
    seed()
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    seed()
    assert (on("gpt-4o-mini"), on("qwen-max")) == (["openai"], ["sandbox"])
    monkeypatch.delenv("OPENAI_API_KEY")
    seed()
    assert on("gpt-4o-mini") == ["sandbox"]
    settings.SANDBOX = False
    seed()
    assert on("gpt-4o-mini") == []
    settings.SANDBOX = True
    seed()
    assert on("gpt-4o-mini") == ["sandbox"]


def test_a_second_seed_changes_nothing():
    seed()
    before = [list(model.objects.order_by("pk").values()) for model in (Model, Route, Price)]
    seed()
    assert [list(model.objects.order_by("pk").values()) for model in (Model, Route, Price)] == before


def test_what_staff_changed_stays(django_user_model, monkeypatch):
    staff = django_user_model.objects.create_superuser("staff@example.com", "secret")
    seed()
    model = Model.objects.get(id="gpt-4o-mini")
    model.auto_rank, model.enabled = None, False
    editing.save_model(model, actor=staff)
    editing.add_price(model, author=staff, reason="sale", credits_per_litellm_usd=Decimal(1100))
    sandbox = Route.objects.get(model="qwen-max", sandbox=True)
    sandbox.enabled = False
    editing.save_route(sandbox, actor=staff)
    real = Route.objects.get(model="qwen-max", sandbox=False)
    real.base_url = "https://proxy.example/v1"
    editing.save_route(real, actor=staff)
    seed()
    model.refresh_from_db()
    assert (model.auto_rank, model.enabled, model.price_in_force().credits_per_litellm_usd) == (None, False, Decimal(1100))
    assert on("qwen-max") == []
    assert Route.objects.get(pk=real.pk).base_url == "https://proxy.example/v1"


def test_seeding_does_not_import_litellm():
    program = (
        "import os, sys, django\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'beatra_site.settings'\n"
        "django.setup()\n"
        "from catalog import costing, seed\n"
        "from catalog.models import Route\n"
        "for one in seed.SEEDS:\n"
        "    route = Route(litellm_model='openai/x', cost_key=one.cost_key, cost_override=one.prices)\n"
        "    assert costing.bring_up_to_date(route, method='decimal')\n"
        "assert 'litellm' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
