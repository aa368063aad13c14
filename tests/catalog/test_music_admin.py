"""Music models, their routes and prices on the pages for staff: the same forms, and only what applies to them."""

from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import Event
from catalog import editing
from catalog.models import Model, Price, Route
from tests.catalog.test_admin import admin, errors, model_form, page, price_form, route_form, staff

__all__ = ["admin", "staff"]  # fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def band():
    return Model.objects.create(id="band", display_name="A band", capability="music")


def music_model_form(**fields):
    chat_only = ("context_window", "max_output_tokens", "default_output_tokens", "tokens_per_image", "supported_fields", "model_options")
    return {name: value for name, value in model_form(**fields).items() if name not in (*chat_only, "temperature_min", "temperature_max")}


def music_route_form(**fields):
    return {
        "model": "band",
        "name": "way",
        "rank": 10,
        "transport": "suno",
        "upstream_model": "V5_5",
        "base_url": "https://api.sunoapi.org",
        "credential_env": "SUNO_API_KEY",
        "cost_override": "null",
        **fields,
    }


def add_route(admin, **fields):
    return admin.post(reverse("admin:catalog_route_add"), music_route_form(**fields))


def form_errors(response):
    assert response.status_code == 200, "the form came back"
    return response.context["adminform"].form.errors


def test_from_nothing_to_an_enabled_music_model(admin, staff):
    form = model_form(id="band", capability="music", context_window=0, max_output_tokens=0, default_output_tokens=0)
    assert admin.post(reverse("admin:catalog_model_add"), form).status_code == 302
    price = price_form(model="band", credits_per_task="80", provider_cost_usd="0.15")
    assert admin.post(reverse("admin:catalog_price_add"), price).status_code == 302
    assert add_route(admin, enabled="on").status_code == 302
    address = reverse("admin:catalog_model_change", args=["band"])
    assert admin.post(address, music_model_form(enabled="on", auto_rank=5)).status_code == 302
    assert Model.objects.get(pk="band").enabled
    assert (Price.objects.get(model="band").credits_per_task, Price.objects.get(model="band").provider_cost_usd) == (80, Decimal("0.15"))
    route = Route.objects.get(model="band")
    assert (route.enabled, route.cost_version, route.cost_method) == (True, 0, "")
    told = Event.objects.get(actor=staff, kind="price.added")
    assert told.data["provider_cost_usd"] == "0.150000000000"


def test_a_new_price_begins_with_the_numbers_in_force(admin, staff, band):
    editing.add_price(band, author=staff, reason="start", credits_per_task=Decimal(80), provider_cost_usd=Decimal("0.15"))
    button = reverse("admin:catalog_model_new_price", args=["band"])
    assert button in page(admin, "model_change", "band")
    form = admin.get(button, follow=True).context["adminform"].form
    begins = {name: form.get_initial_for_field(form.fields[name], name) for name in ("model", "credits_per_task", "provider_cost_usd")}
    assert begins == {"model": "band", "credits_per_task": 80, "provider_cost_usd": Decimal("0.15")}
    assert admin.get(reverse("admin:catalog_price_add"), {"model": "gone\0"}).status_code == 200


def test_a_saved_music_model_and_its_route_show_only_what_applies(admin, band):
    assert add_route(admin).status_code == 302
    model, route = page(admin, "model_change", "band"), page(admin, "route_change", Route.objects.get(model=band).pk)
    assert 'name="auto_rank"' in model and 'name="upstream_model"' in route
    for name in ("context_window", "supported_fields", "temperature_min", "model_options"):
        assert f'name="{name}"' not in model
    for name in ("litellm_model", "cost_key", "cost_override", "stoppable"):
        assert f'name="{name}"' not in route


def test_a_music_route_is_changed_on_its_page(admin, band):
    add_route(admin)
    route = Route.objects.get(model=band)
    form = {name: value for name, value in music_route_form(upstream_model="V6", enabled="on").items() if name != "cost_override"}
    assert admin.post(reverse("admin:catalog_route_change", args=[route.pk]), form).status_code == 302
    route.refresh_from_db()
    assert (route.upstream_model, route.enabled) == ("V6", True)


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"upstream_model": ""}, "upstream_model", "is missing"),
        ({"base_url": ""}, "base_url", "address is missing"),
        ({"credential_env": ""}, "credential_env", "is missing"),
        ({"base_url": "https://api.sunoapi.org/api/v1"}, "base_url", "without /v1"),
        ({"base_url": "ftp://music.example"}, "base_url", "Give an address"),
        ({"transport": "native"}, "transport", "a music model"),
        ({"cost_key": "gpt-4o-mini"}, "__all__", "no price list by tokens"),
        ({"litellm_model": "suno/V5"}, "__all__", "no LiteLLM name"),
        ({"stoppable": "on"}, "__all__", "be stopped"),
        ({"sandbox": "on", "base_url": "", "credential_env": ""}, "sandbox", "The sandbox is off"),
    ],
)
def test_a_music_route_that_could_not_work_is_not_enabled(admin, band, settings, fields, field, said):
    settings.SANDBOX = False
    assert said in str(form_errors(add_route(admin, enabled="on", **fields))[field])
    assert not Route.objects.filter(model=band).exists()


def test_a_sandbox_route_needs_no_address_in_a_sandbox(admin, band, settings):
    settings.SANDBOX = True
    assert add_route(admin, enabled="on", sandbox="on", base_url="", credential_env="").status_code == 302


def test_a_route_that_is_off_may_be_incomplete(admin, band):
    assert add_route(admin, upstream_model="", base_url="", credential_env="").status_code == 302


def test_all_routes_of_a_music_model_speak_one_dialect(admin, band):
    assert add_route(admin).status_code == 302
    response = add_route(admin, name="other", transport="minimax_music", base_url="https://api.minimax.io")
    assert "speak one dialect" in str(form_errors(response)["transport"])


def test_a_chat_model_has_no_music_route(admin):
    Model.objects.create(id="talker", display_name="T", context_window=10, max_output_tokens=5, default_output_tokens=5)
    assert "a chat model" in str(form_errors(add_route(admin, model="talker"))["transport"])


def test_a_chat_route_still_needs_litellms_name(admin):
    Model.objects.create(id="talker", display_name="T", context_window=10, max_output_tokens=5, default_output_tokens=5)
    form = route_form(model="talker", name="way", litellm_model="", cost_key="gpt-4o-mini")
    assert "litellm_model" in form_errors(admin.post(reverse("admin:catalog_route_add"), form))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "This model is priced by it"),
        ({"credits_per_litellm_usd": "1"}, "not priced by it"),
        ({"credits_per_task": "0"}, "greater than or equal to 0.0001"),
        ({"credits_per_task": "80", "provider_cost_usd": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_music_price_that_makes_no_sense_is_refused(admin, band, fields, said):
    assert said in errors(admin.post(reverse("admin:catalog_price_add"), price_form(model="band", **fields)))
    assert not Price.objects.filter(model=band).exists()


def test_a_chat_price_has_no_cost_of_a_task(admin):
    Model.objects.create(id="talker", display_name="T")
    form = price_form(model="talker", credits_per_litellm_usd="1500", provider_cost_usd="0.15")
    assert "provider_cost_usd" in form_errors(admin.post(reverse("admin:catalog_price_add"), form))


def test_enabling_a_music_model_asks_for_a_price_and_a_route_and_no_tokens(admin, band):
    said = errors(admin.post(reverse("admin:catalog_model_change", args=["band"]), music_model_form(enabled="on")))
    assert "It has no price yet." in said and "It has no route yet." in said and "limit" not in said


def test_what_a_music_model_takes_is_not_for_staff_to_list(admin):
    form = model_form(id="band", capability="music", supported_fields='["tools"]')
    assert "leave its fields and options empty" in errors(admin.post(reverse("admin:catalog_model_add"), form))


def test_the_lists_show_music_with_its_price_and_upstream(admin, band):
    editing.add_price(band, author=None, reason="start", credits_per_task=Decimal(80), provider_cost_usd=Decimal("0.15"))
    add_route(admin)
    assert "80.0000 credits a task (version 1)" in page(admin, "model_changelist")
    assert "V5_5" in page(admin, "route_changelist")
    assert "0.15" in page(admin, "price_changelist")


def test_a_music_route_without_its_key_says_so(admin, band, monkeypatch):
    monkeypatch.delenv("SUNO_API_KEY", raising=False)
    add_route(admin, enabled="on")
    assert "not used: SUNO_API_KEY is not set" in page(admin, "route_changelist")


def test_no_prices_are_read_for_music(admin, band):
    add_route(admin)
    action = {"action": "reread_prices", "_selected_action": [Route.objects.get(model=band).pk]}
    said = admin.post(reverse("admin:catalog_route_changelist"), action, follow=True).content.decode()
    assert "band over way: music has no price list by tokens" in said
