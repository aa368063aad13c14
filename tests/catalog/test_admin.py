"""The catalog's pages for staff."""

from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import Event
from catalog import editing
from catalog.models import Model, Price, Route

pytestmark = pytest.mark.django_db

PRICES = '{"litellm_provider": "openai", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}'


@pytest.fixture
def staff(django_user_model):
    return django_user_model.objects.create_superuser("staff@example.com", "secret")


@pytest.fixture
def admin(client, staff):
    client.force_login(staff)
    return client


@pytest.fixture
def model():
    return Model.objects.create(id="test-model", display_name="Test", context_window=1000, max_output_tokens=100, default_output_tokens=10)


def page(admin, name, *args):
    response = admin.get(reverse(f"admin:catalog_{name}", args=args))
    assert response.status_code == 200
    return response.content.decode()


def model_form(**fields):
    return {
        "display_name": "Test",
        "context_window": 1000,
        "max_output_tokens": 100,
        "default_output_tokens": 10,
        "tokens_per_image": 0,
        "supported_fields": "[]",
        "model_options": "{}",
        "temperature_min": 0,
        "temperature_max": 2,
        **{f"{inline}-{count}": 0 for inline in ("routes", "prices") for count in ("TOTAL_FORMS", "INITIAL_FORMS")},
        **fields,
    }


def route_form(**fields):
    return {"rank": 10, "transport": "litellm", "litellm_model": "openai/gpt-4o-mini", "cost_override": "null", **fields}


def price_form(**fields):
    return {"model": "test-model", "reason": "start", "effective_from_0": "", "effective_from_1": "", **fields}


def errors(response):
    assert response.status_code == 200, "the form came back"
    return str(response.context["errors"])


def test_the_lists_show_state_and_price(admin, model):
    editing.add_price(model, author=None, reason="start", credits_per_litellm_usd=Decimal(1500))
    route = Route.objects.create(model=model, name="way", litellm_model="openai/x", disabled_reason="SOME_KEY is not set")
    models = page(admin, "model_changelist")
    assert "1500.0000 credits per USD (version 1)" in models
    assert "off: SOME_KEY is not set" in page(admin, "route_changelist")
    assert "start" in page(admin, "price_changelist")
    assert "test-model" in page(admin, "model_change", model.pk)
    assert "way" in page(admin, "route_change", route.pk)


def test_searching_a_list_works(admin, model):
    for name in ("model", "route", "price"):
        assert admin.get(reverse(f"admin:catalog_{name}_changelist"), {"q": "test"}).status_code == 200


def test_a_price_is_added_with_its_author(admin, staff, model):
    response = admin.post(reverse("admin:catalog_price_add"), price_form(credits_per_litellm_usd="1500"))
    assert response.status_code == 302
    price = Price.objects.get(model=model)
    assert (price.version, price.author, price.reason, price.credits_per_litellm_usd) == (1, staff, "start", Decimal(1500))
    assert model.price_in_force() == price


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "This model is priced by it"),
        ({"credits_per_litellm_usd": "0"}, "greater than or equal to 0.0001"),
        ({"credits_per_litellm_usd": "1", "credits_per_task": "1"}, "not priced by it"),
        ({"credits_per_litellm_usd": "1", "reason": ""}, "required"),
        ({"credits_per_litellm_usd": "1", "effective_from_0": "2020-01-01", "effective_from_1": "00:00"}, "a time that is over"),
        ({"credits_per_litellm_usd": "1", "effective_from_0": "9999-12-31", "effective_from_1": "23:59:59"}, "a year ahead at most"),
    ],
)
def test_a_price_that_makes_no_sense_is_refused(admin, model, fields, said):
    assert said in errors(admin.post(reverse("admin:catalog_price_add"), price_form(**fields)))
    assert not Price.objects.filter(model=model).exists()


def test_a_price_is_neither_changed_nor_removed(admin, model):
    price = editing.add_price(model, author=None, reason="start", credits_per_litellm_usd=Decimal(1500))
    address = reverse("admin:catalog_price_change", args=[price.pk])
    assert admin.post(address, price_form(credits_per_litellm_usd="1")).status_code == 403
    assert admin.post(reverse("admin:catalog_price_delete", args=[price.pk]), {"post": "yes"}).status_code == 403
    price.refresh_from_db()
    assert price.credits_per_litellm_usd == Decimal(1500)


def test_enabling_an_incomplete_model_says_what_is_missing(admin, model):
    address = reverse("admin:catalog_model_change", args=[model.pk])
    said = errors(admin.post(address, model_form(enabled="on")))
    assert "It has no price yet." in said
    assert "It has no route with a price list yet." in said
    said = errors(admin.post(address, model_form(enabled="on", context_window=0, max_output_tokens=0, default_output_tokens=0)))
    assert said.count("A model is enabled only with this limit known.") == 3
    assert not Model.objects.get(pk=model.pk).enabled


def test_from_nothing_to_an_enabled_model(admin, staff):
    assert admin.post(reverse("admin:catalog_model_add"), model_form(id="new-model", capability="chat")).status_code == 302
    assert admin.post(reverse("admin:catalog_price_add"), price_form(model="new-model", credits_per_litellm_usd="1500")).status_code == 302
    route = route_form(model="new-model", name="way", enabled="on", cost_key="gpt-4o-mini")
    assert admin.post(reverse("admin:catalog_route_add"), route).status_code == 302
    address = reverse("admin:catalog_model_change", args=["new-model"])
    assert admin.post(address, model_form(enabled="on", auto_rank=5)).status_code == 302
    assert Model.objects.get(pk="new-model").enabled
    saved = Route.objects.get(model="new-model")
    assert (saved.enabled, saved.cost_method, saved.cost_version) == (True, "decimal", 1)
    kinds = list(Event.objects.filter(actor=staff).order_by("id").values_list("kind", flat=True))
    assert kinds == ["model.added", "price.added", "route.added", "model.changed"]


def test_the_transport_of_a_route_is_chosen_on_its_page(admin, model):
    address = "https://api.example.com/v1"
    form = route_form(model=model.pk, name="way", transport="native", base_url=address, upstream_model="their-name")
    assert admin.post(reverse("admin:catalog_route_add"), form).status_code == 302
    route = Route.objects.get(model=model)
    assert (route.transport, route.upstream_model, route.base_url) == ("native", "their-name", address)
    assert 'value="litellm" selected' in page(admin, "route_add")


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({}, "base_url", "native transport needs"),
        ({"base_url": "https://api.example.com/v1/chat/completions"}, "base_url", "without /chat/completions"),
        ({"base_url": "https://api.anthropic.com", "litellm_model": "anthropic/claude"}, "transport", "a dialect of its own"),
    ],
)
def test_a_native_route_that_could_not_work_is_refused(admin, model, fields, field, said):
    response = admin.post(reverse("admin:catalog_route_add"), route_form(model=model.pk, name="way", transport="native", **fields))
    assert said in str(response.context["adminform"].form.errors[field])


def test_a_native_route_whose_address_is_not_set_says_so(admin, model, monkeypatch):
    monkeypatch.delenv("SOME_API_BASE", raising=False)
    fields = {"litellm_model": "openai/x", "cost_method": "decimal", "cost_version": 1, "enabled": True}
    Route.objects.create(model=model, name="way", transport="native", base_url_env="SOME_API_BASE", **fields)
    assert "not used: SOME_API_BASE is not set" in page(admin, "route_changelist")


def test_a_route_with_prices_nobody_understands_is_refused(admin, model):
    odd = PRICES.replace("}", ', "input_cost_per_request": 1}')
    response = admin.post(reverse("admin:catalog_route_add"), route_form(model=model.pk, name="way", enabled="on", cost_override=odd))
    assert "input_cost_per_request is not understood" in errors(response)


def test_litellms_prices_are_read_again_on_demand(admin, model):
    admin.post(reverse("admin:catalog_route_add"), route_form(model=model.pk, name="way", cost_key="gpt-4o-mini"))
    route = Route.objects.get(model=model)
    Route.objects.filter(pk=route.pk).update(cost_entry={**route.cost_entry, "output_cost_per_token": 1})
    action = {"action": "reread_prices", "_selected_action": [route.pk]}
    response = admin.post(reverse("admin:catalog_route_changelist"), action, follow=True)
    assert "test-model over way: the price list changed." in response.content.decode()
    route.refresh_from_db()
    assert (route.cost_entry["output_cost_per_token"], route.cost_version) == (6e-07, 2)


def test_nothing_of_the_catalog_is_deleted(admin, model):
    route = Route.objects.create(model=model, name="way", litellm_model="openai/x")
    for name, pk in (("model", model.pk), ("route", route.pk)):
        assert admin.post(reverse(f"admin:catalog_{name}_delete", args=[pk]), {"post": "yes"}).status_code == 403


def test_customers_do_not_see_the_catalog_of_staff(client, django_user_model, model):
    client.force_login(django_user_model.objects.create_user("customer@example.com", "secret"))
    assert client.get(reverse("admin:catalog_model_changelist")).status_code == 302


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("[]", "give a mapping"),
        ('"x"', "give a mapping"),
        ("1", "give a mapping"),
        (PRICES.replace("}", ', "tiered_pricing": [{"range": [0, "x"], "input_cost_per_token": 1}]}'), "do not follow each other"),
        (PRICES.replace("1e-06", "1e300"), "must be a number from 0 to 1000 USD"),
        (PRICES.replace("}", ', "max_tokens": NaN}'), "valid JSON"),
        (PRICES.replace("}", r', "max_tokens": "\u0000"}'), "valid JSON"),
        (PRICES.replace("}", r', "max_tokens": "\ud800"}'), "valid JSON"),
        (PRICES.replace("}", ', "max_tokens": ' + "1" * 5000 + "}"), "valid JSON"),
        (PRICES.replace("}", ', "input_cost_per_token_above_' + "9" * 5000 + '_tokens": 1}'), "is not understood"),
        ("[" * 2000, "valid JSON"),
        ("[" * 500 + "]" * 500, "valid JSON"),
    ],
)
def test_a_price_list_that_is_none_is_an_error_on_the_form(admin, model, override, said):
    response = admin.post(reverse("admin:catalog_route_add"), route_form(model=model.pk, name="way", cost_override=override))
    assert said in errors(response)
    assert not Route.objects.filter(model=model).exists()


def test_a_nul_in_a_field_is_an_error_on_the_form(admin, model):
    for field in ("model", "name", "litellm_model", "base_url", "credential_env", "cost_key"):
        form = {**route_form(model=model.pk, name="way"), field: "x\x00"}
        assert field in admin.post(reverse("admin:catalog_route_add"), form).context["adminform"].form.errors, field
    assert "model" in admin.post(reverse("admin:catalog_price_add"), price_form(model="x\x00")).context["adminform"].form.errors
