"""What staff change: price versions that stay, routes proven before they count, and an event for each."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import Event
from catalog import editing
from catalog.models import Model, Price, Route
from catalog.price_list import PriceEntryError

pytestmark = pytest.mark.django_db

LIMITS = {"context_window": 1000, "max_output_tokens": 100, "default_output_tokens": 10}
PRICES = {"litellm_provider": "openai", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}


@pytest.fixture
def staff(django_user_model):
    return django_user_model.objects.create_superuser("staff@example.com", "secret")


@pytest.fixture
def model():
    return Model.objects.create(id="test-model", display_name="Test", **LIMITS)


def new_route(model, **fields):
    return Route(model=model, name="way", litellm_model="openai/gpt-4o-mini", **fields)


def saved(route, *, actor=None):
    route.full_clean()
    editing.save_route(route, actor=actor)
    route.refresh_from_db()
    return route


def refused(row):
    with pytest.raises(ValidationError) as error:
        row.full_clean()
    return error.value.message_dict


# Prices


def test_each_price_is_the_next_version_with_who_and_why(model, staff):
    editing.add_price(model, author=staff, reason="start", credits_per_litellm_usd=Decimal(1500))
    second = editing.add_price(model, author=staff, reason="raise", credits_per_litellm_usd=Decimal(1600))
    assert (second.version, second.author, second.reason) == (2, staff, "raise")
    assert model.price_in_force() == second
    event = Event.objects.latest("id")
    assert (event.kind, event.actor, event.data["credits_per_litellm_usd"]) == ("price.added", staff, "1600.0000")


def test_a_price_of_tomorrow_does_not_count_today(model):
    first = editing.add_price(model, author=None, reason="start", credits_per_litellm_usd=Decimal(1500))
    tomorrow = timezone.now() + timedelta(days=1)
    editing.add_price(model, author=None, reason="later", credits_per_litellm_usd=Decimal(1600), effective_from=tomorrow)
    assert model.price_in_force() == first


@pytest.mark.parametrize("statement", ["UPDATE catalog_price SET reason = 'x'", "DELETE FROM catalog_price"])
def test_the_database_refuses_to_change_or_remove_a_price(model, statement):
    editing.add_price(model, author=None, reason="start", credits_per_litellm_usd=Decimal(1500))
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "amounts", [{}, {"credits_per_litellm_usd": 0}, {"credits_per_litellm_usd": -1}, {"credits_per_litellm_usd": 1, "credits_per_task": 1}]
)
def test_a_price_is_one_amount_above_zero(model, amounts):
    with pytest.raises(IntegrityError), transaction.atomic():
        editing.add_price(model, author=None, reason="x", **amounts)


def test_a_chat_model_is_priced_by_cost_and_a_music_model_by_task(model):
    music = Model.objects.create(id="music", display_name="Music", capability="music")
    price = {"version": 1, "reason": "x", "effective_from": timezone.now()}
    assert set(refused(Price(model=model, credits_per_task=Decimal(1), **price))) == {"credits_per_task", "credits_per_litellm_usd"}
    assert set(refused(Price(model=music, credits_per_litellm_usd=Decimal(1), **price))) == {"credits_per_task", "credits_per_litellm_usd"}
    Price(model=music, credits_per_task=Decimal(80), **price).full_clean()


def test_a_model_with_a_price_can_not_be_removed(model):
    editing.add_price(model, author=None, reason="start", credits_per_litellm_usd=Decimal(1500))
    with pytest.raises(IntegrityError), transaction.atomic():
        model.delete()


# Models


def test_a_model_is_enabled_only_when_all_of_it_is_known(model, staff):
    model.enabled = True
    assert refused(model) == {"enabled": ["It has no price yet.", "It has no route with a price list yet."]}
    editing.add_price(model, author=None, reason="start", credits_per_litellm_usd=Decimal(1500))
    saved(new_route(model, cost_override=PRICES))
    model.full_clean()
    editing.save_model(model, actor=staff)
    event = Event.objects.latest("id")
    assert (event.kind, event.actor, event.data) == ("model.changed", staff, {"model": "test-model", "changes": {"enabled": [False, True]}})


def test_a_model_without_limits_is_not_enabled():
    model = Model(id="m", display_name="M", enabled=True)
    assert set(refused(model)) >= {"context_window", "max_output_tokens", "default_output_tokens", "enabled"}
    with pytest.raises(IntegrityError, match="model_enabled_with_limits"), transaction.atomic():
        Model.objects.create(id="m", display_name="M", enabled=True)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"id": "Auto"}, "model_id_is_not_auto"),
        ({"id": "TEST-MODEL"}, "model_id_unique_in_any_case"),
        ({"id": "m", "max_output_tokens": 5}, "model_limits_fit_each_other"),
        ({"id": "m", "temperature_max": "2.5"}, "model_temperature_range"),
        ({"id": "m", "capability": "video"}, "model_capability_known"),
    ],
)
def test_the_database_refuses_a_model_that_makes_no_sense(model, fields, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Model.objects.create(display_name="M", **fields)


@pytest.mark.parametrize("name", ["max_tokens", "api_base", "n", "API", "service_tier"])
def test_an_option_can_not_change_price_limit_or_destination(model, name):
    model.model_options = {name: {"type": "integer"}}
    assert "model_options" in refused(model)


def test_unknown_fields_and_shapeless_options_are_named(model):
    model.supported_fields, model.model_options = ["tools", "telepathy"], {"top_k": 5}
    found = refused(model)
    assert "telepathy" in found["supported_fields"][0]
    assert found["model_options"] == ["'top_k' needs a type: string, boolean, integer, number."]


# Routes


def test_a_route_takes_litellms_price_proven_by_comparison(model, staff):
    route = saved(new_route(model, enabled=True, cost_key="gpt-4o-mini"), actor=staff)
    assert (route.cost_method, route.cost_version, route.cost_source) == ("decimal", 1, "LiteLLM 1.103.7 gpt-4o-mini")
    assert route.cost_entry["output_cost_per_token"] == 6e-07
    event = Event.objects.latest("id")
    assert (event.kind, event.actor, event.data["route"]) == ("route.added", staff, "way")


def test_a_price_by_the_clock_is_marked_for_litellm(model):
    assert saved(new_route(model, enabled=True, cost_key="deepseek/deepseek-v4-pro")).cost_method == "litellm"


def test_an_override_is_a_new_version_and_everything_else_is_not(model):
    route = saved(new_route(model, enabled=True, cost_key="gpt-4o-mini"))
    route.rank = 5
    assert saved(route).cost_version == 1
    route.cost_override = PRICES
    assert (saved(route).cost_version, route.cost_source) == (2, "override")
    changes = Event.objects.latest("id").data["changes"]
    assert changes["cost_override"] == [None, PRICES]
    route.cost_override = None
    assert (saved(route).cost_version, route.effective_cost_entry["input_cost_per_token"]) == (3, 1.5e-07)


def test_reading_again_takes_over_what_litellm_says_now(model, staff):
    route = saved(new_route(model, enabled=True, cost_key="gpt-4o-mini"))
    assert editing.reread_prices(route, actor=staff) is False
    Route.objects.filter(pk=route.pk).update(cost_entry={**route.cost_entry, "output_cost_per_token": 7e-07})  # an older map's
    assert editing.reread_prices(route, actor=staff) is True
    route.refresh_from_db()
    assert (route.cost_entry["output_cost_per_token"], route.cost_version) == (6e-07, 2)
    for key in ("no/such", "whisper-1"):  # gone from the map; priced by what we don't count
        Route.objects.filter(pk=route.pk).update(cost_key=key)
        with pytest.raises(PriceEntryError):
            editing.reread_prices(route, actor=staff)
    kept = Route.objects.get(pk=route.pk)
    assert (kept.cost_entry, kept.cost_version) == (route.cost_entry, 2)


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({}, "cost_key", "the input price must be above 0"),
        ({"cost_key": "no/such"}, "cost_key", "has no price under 'no/such'"),
        ({"cost_override": {**PRICES, "input_cost_per_request": 1}}, "cost_override", "input_cost_per_request is not understood"),
        ({"cost_override": {**PRICES, "output_cost_per_token": 0}}, "cost_override", "the output price must be above 0"),
        ({"cost_key": "gpt-4o-mini", "transport": "native"}, "base_url", "needs the provider's address"),
    ],
)
def test_a_route_is_not_enabled_without_prices_it_can_be_sold_from(model, fields, field, said):
    assert said in refused(new_route(model, enabled=True, **fields))[field][0]


@pytest.mark.parametrize("name", ["SECRET_KEY", "KEY_PEPPER", "DATABASE_URL", "_API_KEY", "X_API_KEY\n", "x_API_KEY"])
def test_only_variables_of_their_kind_are_sent_to_an_upstream(model, name):
    assert set(refused(new_route(model, credential_env=name, base_url_env=name))) == {"credential_env", "base_url_env"}
    assert set(refused(new_route(model, credential_env="X_API_BASE", base_url_env="X_API_KEY"))) == {"credential_env", "base_url_env"}
    new_route(model, credential_env="MINIMAX_API_KEY", base_url_env="MINIMAX_API_BASE").full_clean()


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://api.example.com/v1", True),
        ("http://127.0.0.1:9/v1", True),
        ("http://[::1]:9/v1", True),
        ("http://localhost/v1", True),
        ("http://api.example.com/v1", False),
        ("http://127.0.0.1.example.com/v1", False),
        ("ftp://api.example.com", False),
        ("https://", False),
        ("https://user:secret@api.example.com", False),
        ("https://api.example.com/v1?key=x", False),
        ("https://api.example.com:99999", False),
        ("https://api example.com", False),
        ("https://[::1", False),
        ("api.example.com", False),
    ],
)
def test_keys_and_prompts_go_over_https(model, settings, url, taken):
    settings.SANDBOX = False
    route = new_route(model, base_url=url)
    if taken:
        route.full_clean()
    else:
        assert set(refused(route)) == {"base_url"}


def test_a_sandbox_may_speak_plain_http(model, settings):
    settings.SANDBOX = True
    new_route(model, base_url="http://provider.test/v1").full_clean()


def test_a_sandbox_route_is_enabled_only_in_a_sandbox(model, settings):
    settings.SANDBOX = False
    assert "sandbox" in refused(new_route(model, enabled=True, cost_key="gpt-4o-mini", sandbox=True))
    settings.SANDBOX = True
    new_route(model, enabled=True, cost_key="gpt-4o-mini", sandbox=True).full_clean()


def test_a_route_that_is_switched_off_says_by_whom(model, staff):
    route = saved(new_route(model, enabled=True, cost_key="gpt-4o-mini"))
    route.enabled = False
    assert saved(route, actor=staff).disabled_reason == "switched off by staff@example.com"
    route.enabled = True
    assert saved(route, actor=staff).disabled_reason == ""


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"enabled": True}, "route_enabled_with_a_cost"),
        ({"sandbox": True, "credential_env": "OPENAI_API_KEY"}, "route_sandbox_has_no_credential"),
        ({"transport": "pigeon"}, "route_transport_known"),
        ({"cost_method": "guess"}, "route_cost_method_known"),
    ],
)
def test_the_database_refuses_a_route_that_makes_no_sense(model, fields, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        new_route(model, **fields).save()


def test_saving_what_did_not_change_writes_no_event(model, staff):
    route = saved(new_route(model, cost_key="gpt-4o-mini"))
    before = Event.objects.count()
    saved(route, actor=staff)
    editing.save_model(model, actor=staff)
    assert Event.objects.count() == before
