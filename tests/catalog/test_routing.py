"""Which models and routes may answer, and in which order."""

from decimal import Decimal

import pytest

from catalog.routing import callable_models, candidates
from contract.errors import ApiError
from tests.catalog.catalog_objects import catalog, model, route

FIRST, SECOND = route("first", id=1, rank=1), route("second", id=2, rank=2)


def small(**fields):
    return model("small", auto_rank=1, **fields)


def large(**fields):
    return model("large", auto_rank=2, supported_fields=frozenset({"logprobs", "temperature", "image_url"}), **fields)


def names(pairs):
    return [(found.id, way.name) for found, way in pairs]


def refusal(*given, **named):
    with pytest.raises(ApiError) as refused:
        candidates(*given, **named)
    return refused.value


def test_a_pinned_model_stands_for_itself_by_rank():
    both = catalog(small(routes=(FIRST, SECOND)), large())
    assert names(candidates(both, "small")) == [("small", "first"), ("small", "second")]


def test_auto_walks_the_models_in_the_staffs_order():
    three = catalog(small(routes=(FIRST, SECOND)), large(), model("not-in-auto"))
    assert names(candidates(three, "auto")) == [("small", "first"), ("small", "second"), ("large", "sandbox")]


def test_auto_takes_the_models_that_take_every_field():
    both = catalog(small(), large())
    assert names(candidates(both, "auto", fields=frozenset({"logprobs"}))) == [("large", "sandbox")]


def test_auto_passes_over_a_model_without_a_route():
    both = catalog(small(routes=()), large())
    assert names(candidates(both, "auto")) == [("large", "sandbox")]


def test_a_pinned_model_without_the_field_is_refused_by_the_fields_name():
    error = refusal(catalog(small(), large()), "small", fields=frozenset({"logprobs", "image_url"}))
    assert (error.code, error.status) == ("unsupported_option", 400)
    assert error.details["unsupported_fields"] == ["image_url", "logprobs"]
    assert error.message == "The model small does not take images, logprobs."
    assert error.details["errors"] == [
        {"param": "/messages", "message": "has images, which small does not take"},
        {"param": "/logprobs", "message": "is not taken by small"},
    ]


def test_auto_refuses_only_if_no_model_takes_them_all():
    both = catalog(small(supported_fields=frozenset({"tools"})), large())
    error = refusal(both, "auto", fields=frozenset({"tools", "logprobs", "temperature"}))
    assert (error.code, error.details["unsupported_fields"]) == ("unsupported_option", ["tools"])


def test_a_temperature_above_the_models_maximum_is_an_option_it_does_not_take():
    takes = {"supported_fields": frozenset({"temperature"})}
    both = catalog(small(temperature_max=Decimal(1), **takes), large())
    asked = {"fields": frozenset({"temperature"}), "temperature": 1.5}
    error = refusal(both, "small", **asked)
    assert error.message == "The model small does not take a temperature above 1."
    assert error.details["errors"] == [{"param": "/temperature", "message": "must be at most 1 for small"}]
    assert names(candidates(both, "auto", **asked)) == [("large", "sandbox")]
    assert names(candidates(both, "small", fields=frozenset({"temperature"}), temperature=1)) == [("small", "sandbox")]


def test_model_options_are_fields_of_their_own():
    one = catalog(model("m", model_options={"top_k": {"type": "integer"}}))
    assert candidates(one, "m", fields=frozenset({"model_options.top_k"}))
    error = refusal(one, "m", fields=frozenset({"model_options.api_base"}))
    assert error.param == "/model_options/api_base"


@pytest.mark.parametrize("asked", ["unknown", "", "large", "music", "Small"])
def test_what_is_unknown_not_allowed_or_no_chat_model_is_one_and_the_same(asked):
    three = catalog(small(), large(), model("music", capability="music"))
    error = refusal(three, asked, allowed=frozenset({"small", "music"}))
    assert (error.code, error.param) == ("unsupported_model", "/model")


def test_it_says_what_was_meant_but_not_what_is_not_allowed():
    both = catalog(small(), large())
    assert "Did you mean 'small'?" in refusal(both, "SMALL").message
    assert "Did you mean 'auto'?" in refusal(both, "Auto").message
    assert "Did you mean 'small'?" in refusal(both, "provider/Small").message
    assert "mean" not in refusal(both, "LARGE", allowed=frozenset({"small"})).message
    assert "mean" not in refusal(both, "other/LARGE", allowed=frozenset({"small"})).message


def test_an_unknown_model_is_told_where_the_known_ones_are():
    message = refusal(catalog(small()), "unknown").message
    assert message == "There is no model 'unknown' for this key. GET /v1/models lists those there are, 'auto' takes whichever can answer."
    assert refusal(catalog(), "auto").message == "There is no model 'auto' for this key. GET /v1/models lists those there are."


def test_auto_keeps_to_the_models_allowed():
    both = catalog(small(), large())
    assert names(candidates(both, "auto", allowed=frozenset({"large"}))) == [("large", "sandbox")]
    assert refusal(both, "auto", allowed=frozenset({"gone"})).code == "unsupported_model"


def test_a_model_whose_routes_are_all_off_is_unavailable():
    error = refusal(catalog(small(routes=())), "small")
    assert (error.code, error.retryable) == ("model_unavailable", True)
    assert "auto" in error.message
    assert refusal(catalog(small(routes=())), "auto").code == "model_unavailable"


def test_callable_models_are_the_chat_models_with_a_route():
    four = catalog(small(), large(), model("music", capability="music"), model("off", routes=()))
    assert [one.id for one in callable_models(four)] == ["small", "large"]
    assert [one.id for one in callable_models(four, allowed=frozenset({"large", "off"}))] == ["large"]
