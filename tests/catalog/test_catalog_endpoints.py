"""GET /v1/catalog over HTTP: every model with its limits and its price, and what can be done with them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from catalog import routing
from catalog.answers import CapabilityList, CatalogModel, CatalogModelList, ModelList, ModelSummary
from catalog.fields import EVERY_MODEL, FIELDS
from catalog.listing import entry
from catalog.models import Model, Price, Route
from chat.schema import ChatRequest
from contract.ids import new_id
from keys.models import ApiKey
from tests.answers import assert_shape
from tests.catalog.catalog_objects import PRICES, catalog, model, route
from tests.chat.priced_model import priced_model
from tests.contract.wire import eventually


def entries(owner) -> dict:
    return {model["id"]: model for model in owner.http.get("/catalog/models").json()["data"]}


def test_the_answers_have_the_shapes_of_the_document(customer):
    owner = customer()
    assert_shape(owner.http.get("/models").json(), ModelList)
    assert_shape(owner.http.get("/models/auto").json(), ModelSummary)
    assert_shape(owner.http.get("/catalog/models").json(), CatalogModelList)
    assert_shape(owner.http.get("/catalog/capabilities").json(), CapabilityList)


def test_an_entry_says_all_there_is_to_know(customer):
    assert entries(customer())["MiniMax-M2.7"] | {"created": 0} == {
        "id": "MiniMax-M2.7",
        "object": "model",
        "created": 0,
        "owned_by": "beatra",
        "display_name": "MiniMax M2.7",
        "capabilities": ["chat"],
        "status": "Available",
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "context_window": 204_800,
        "max_output_tokens": 131_072,
        "default_output_tokens": 4096,
        "supported_fields": [
            *EVERY_MODEL,
            "temperature",
            "top_p",
            "stop",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "response_format",
        ],
        "supported_options": {},
        "pricing": {
            "basis": "litellm_cost",
            "credits_per_litellm_usd": "1500.0000",
            # 0.30 in, 0.06 cached, 0.375 written, 1.20 out USD a million, times 1500
            "credits_per_million_tokens": {
                "input": "450.0000",
                "cached": "90.0000",
                "cache_write": "562.5000",
                "output": "1800.0000",
                "reasoning": "1800.0000",
            },
            "tiers": [],
            "peak_prices": False,
        },
        "auto_rank": 10,
        "limits": {"temperature": {"minimum": 0.01, "maximum": 1.0}},
    }


def test_a_model_that_sees_says_so(customer):
    seeing = entries(customer())["gpt-4o-mini"]
    assert seeing["input_modalities"] == ["text", "image"]
    assert (seeing["limits"]["images"], seeing["limits"]["tokens_per_image"]) == (20, 25_501)


def test_a_model_without_sampling_has_no_range_of_temperatures(customer):
    claude = entries(customer())["claude-sonnet-5-5"]
    assert "temperature" not in claude["limits"]
    assert "temperature" not in claude["supported_fields"]


def test_the_price_by_class_is_what_a_call_is_charged(site, customer):
    id = priced_model(site.v1, input_usd="0.000001", output_usd="0.000002", markup="1500")
    owner = customer()
    usage = owner.chat("[[usage.prompt_tokens=1000 usage.completion_tokens=500]]", model=id, max_tokens=500).json()["usage"]
    rates = entries(owner)[id]["pricing"]["credits_per_million_tokens"]
    assert Decimal(usage["credits"]) == (1000 * Decimal(rates["input"]) + 500 * Decimal(rates["output"])) / 1_000_000


def test_cached_tokens_are_charged_as_their_class_says(customer):
    owner = customer()
    counts = "usage.prompt_tokens=1000 usage.completion_tokens=500 usage.prompt_tokens_details.cached_tokens=400"
    usage = owner.chat(f"[[{counts}]]", max_tokens=500).json()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 400
    rates = {name: Decimal(rate) for name, rate in entries(owner)["MiniMax-M2.7"]["pricing"]["credits_per_million_tokens"].items()}
    exact = (600 * rates["input"] + 400 * rates["cached"] + 500 * rates["output"]) / 1_000_000
    assert usage["credits"] == str(exact.quantize(Decimal("0.0001"), "ROUND_HALF_UP"))


def test_models_come_in_the_order_of_auto(customer):
    ranks = [model["auto_rank"] for model in customer().http.get("/catalog/models").json()["data"]]
    ranked = [rank for rank in ranks if rank is not None]
    assert ranked == sorted(ranked)
    assert ranks == ranked + [None] * (len(ranks) - len(ranked))


def test_a_keys_model_list_narrows_both(customer):
    owner = customer()
    ApiKey.objects.filter(pk=owner.key.pk).update(allowed_models=["qwen-max"])
    assert list(entries(owner)) == ["qwen-max"]
    chat, *music = owner.http.get("/catalog/capabilities").json()["data"]
    assert [one["models"] for one in music] == [[], []]
    assert chat == {
        "id": "chat",
        "object": "capability",
        "display_name": "Chat completions",
        "label": "Available",
        "endpoint": "/v1/chat/completions",
        "models": ["qwen-max"],
    }


def test_a_model_nobody_can_call_is_not_there(site, customer):
    id = priced_model(site.v1, input_usd="0.000001", output_usd="0.000001", markup="1")
    owner = customer()
    assert id in entries(owner)
    Route.objects.filter(model=id).update(enabled=False)
    assert eventually(lambda: id not in entries(owner))
    assert id not in owner.http.get("/catalog/capabilities").text


def test_no_route_and_no_provider_is_named(customer):
    owner = customer()
    text = owner.http.get("/catalog/models").text + owner.http.get("/catalog/capabilities").text
    for told in ("sandbox", "base_url", "API_KEY", "transport", "route", "override"):
        assert told not in text


def test_a_music_model_says_all_there_is_to_know(customer):
    suno = entries(customer())["suno-5.5"]
    assert_shape(suno, CatalogModel)
    weight = {"type": "number", "minimum": 0.0, "maximum": 1.0, "step": 0.01}
    options = suno["supported_options"]
    assert all(shape.pop("description") for shape in options.values())
    assert options == {
        "custom_mode": {"type": "boolean"},
        "style_weight": weight,
        "weirdness_constraint": weight,
        "audio_weight": weight,
        "negative_tags": {"type": "string", "max_length": 200},
        "vocal_gender": {"type": "string", "choices": ["m", "f"]},
    }
    assert suno | {"created": 0, "supported_options": {}} == {
        "id": "suno-5.5",
        "object": "model",
        "created": 0,
        "owned_by": "beatra",
        "display_name": "Suno 5.5",
        "capabilities": ["text_to_music", "reference_audio_to_music"],
        "status": "Preview",
        "input_modalities": ["text", "audio"],
        "output_modalities": ["audio"],
        "context_window": None,
        "max_output_tokens": None,
        "default_output_tokens": None,
        "supported_fields": ["lyrics", "title", "instrumental", "metadata", "model_options", "reference_audio"],
        "supported_options": {},
        "pricing": {"basis": "flat", "credits_per_task": "80.0000", "usd_reference": "0.0800"},
        "auto_rank": 120,
        "limits": {
            "prompt": {"minimum": 1, "maximum": 500},
            "prompt_in_custom_mode": {"minimum": 1, "maximum": 1000},
            "lyrics": {"minimum": 1, "maximum": 5000},
            "title": {"minimum": 1, "maximum": 80},
            "reference_audio": {
                "mime_types": ["audio/flac", "audio/mpeg", "audio/wav"],
                "seconds": {"minimum": 0, "maximum": 480},
                "max_bytes": 100 * 1024 * 1024,
                "not_with": [],
            },
            "options_name": "suno",
            "clips": 2,
        },
    }


def test_minimax_has_limits_of_its_own(customer):
    minimax = entries(customer())["minimax-music-2.6"]
    assert minimax["pricing"] == {"basis": "flat", "credits_per_task": "50.0000", "usd_reference": "0.0500"}
    assert minimax["supported_options"].keys() == {"lyrics_optimizer"}
    assert minimax["limits"] == {
        "prompt": {"minimum": 1, "maximum": 2000},
        "prompt_with_reference": {"minimum": 10, "maximum": 300},
        "lyrics": {"minimum": 1, "maximum": 3500},
        "lyrics_with_reference": {"minimum": 10, "maximum": 1000},
        "title": {"minimum": 1, "maximum": 100},
        "reference_audio": {
            "mime_types": ["audio/flac", "audio/mpeg", "audio/wav"],
            "seconds": {"minimum": 6, "maximum": 360},
            "max_bytes": 50 * 1024 * 1024,
            "not_with": ["instrumental", "lyrics_optimizer"],
        },
        "options_name": "minimax",
        "clips": 1,
    }


def test_music_is_a_capability_and_no_chat_model(customer):
    owner = customer()
    found = {one["id"]: one for one in owner.http.get("/catalog/capabilities").json()["data"]}
    for id, endpoint in (("text_to_music", "text-to-music"), ("reference_audio_to_music", "reference-audio-to-music")):
        assert (found[id]["endpoint"], found[id]["label"]) == (f"/v1/music/{endpoint}", "Preview")
        assert {"minimax-music-2.6", "suno-5.5"} <= set(found[id]["models"])
    listed = owner.http.get("/models").text
    assert "suno" not in listed and "music" not in listed
    assert owner.http.get("/models/suno-5.5").status_code == 404


@pytest.fixture
def music_model(committed):
    id = new_id("music")
    Model.objects.create(id=id, display_name="A band", capability="music", enabled=True)
    Price.objects.create(model_id=id, version=1, credits_per_task=Decimal("33.5"), reason="test")
    Route.objects.create(model_id=id, name="sandbox", transport="suno", upstream_model="V5_5", sandbox=True, enabled=True)
    yield id
    Model.objects.filter(pk=id).update(enabled=False)


def test_a_music_model_is_offered_as_long_as_a_route_can_be_used(customer, music_model):
    owner = customer()
    assert eventually(lambda: music_model in entries(owner))
    assert entries(owner)[music_model]["pricing"] == {"basis": "flat", "credits_per_task": "33.5000", "usd_reference": "0.0335"}
    # What the site's process does not have
    Route.objects.filter(model=music_model).update(sandbox=False, credential_env="NOBODYS_API_KEY", base_url="https://music.example")
    assert eventually(lambda: music_model not in entries(owner))
    assert music_model not in owner.http.get("/catalog/capabilities").text


# Without a site


def pricing(**prices) -> dict:
    listed = model(markup="1000", routes=(route(prices={**PRICES, **prices}),))
    told = entry(listed, credits_per_usd=None)
    assert_shape(told, CatalogModel)
    return told["pricing"]


def test_tiers_stand_in_full():
    told = pricing(
        cache_read_input_token_cost="0.0000005",
        input_cost_per_token_above_200k_tokens="0.000004",
        output_cost_per_token_above_200k_tokens="0.000006",
    )
    base = {"input": "1000.0000", "cached": "500.0000", "cache_write": "1000.0000", "output": "2000.0000", "reasoning": "2000.0000"}
    assert told["credits_per_million_tokens"] == base
    above = {"input": "4000.0000", "cached": "500.0000", "cache_write": "4000.0000", "output": "6000.0000", "reasoning": "6000.0000"}
    assert told["tiers"] == [{"above_prompt_tokens": 200_000, "credits_per_million_tokens": above}]


def test_a_price_with_more_places_is_not_rounded():
    assert pricing(input_cost_per_token="0.000000000123456789")["credits_per_million_tokens"]["input"] == "0.123456789"


def test_a_price_by_the_clock_says_that_it_is_of_peak_hours():
    told = pricing(off_peak_pricing={"input_cost_per_token": 5e-7})
    assert (told["peak_prices"], told["credits_per_million_tokens"]["input"]) == (True, "1000.0000")


def test_the_route_tried_first_sets_the_price():
    dear = route("dear", prices={**PRICES, "input_cost_per_token": "0.000009"})
    told = entry(model(markup="1000", routes=(route(), dear)), credits_per_usd=None)
    assert told["pricing"]["credits_per_million_tokens"]["input"] == "1000.0000"


def test_options_are_listed_with_their_ranges():
    options = {"top_k": {"type": "integer", "minimum": 1, "maximum": 100}, "mode": {"type": "string", "choices": ["fast", "deep"]}}
    told = entry(model(model_options=options), credits_per_usd=None)
    assert_shape(told, CatalogModel)
    assert told["supported_options"] == options
    assert told["supported_fields"] == [*EVERY_MODEL, "model_options"]


def test_every_field_of_a_request_is_one_of_some_model_or_of_all():
    known = {*EVERY_MODEL, *FIELDS, "model", "messages", "model_options"} - {"image_url"}
    assert known == set(ChatRequest.model_fields)


def test_a_key_uses_what_it_may_and_what_has_a_route():
    band, silent = (model(id, capability="music", routes=(), family=family) for id, family in (("band", "suno"), ("silent", "")))
    everything = catalog(model("a"), model("b", routes=()), model("c"), band, silent)
    assert [one.id for one in routing.usable_models(everything, allowed=frozenset({"a", "b", "band", "silent"}))] == ["a", "band"]
