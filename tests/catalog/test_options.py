"""The options of a model's own: what staff may list, and what a caller may give."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.options import as_sent, shape_problems, wrong_values
from catalog.routing import candidates
from catalog.seed import SEEDS
from contract.errors import ApiError
from tests.catalog.catalog_objects import catalog, model

TOP_K = {"type": "integer", "minimum": 1, "maximum": 100}


@pytest.mark.parametrize(
    "name",
    ["top_k", "min_p", "repetition_penalty", "enable_thinking", "reasoning_split", "mask_sensitive_info", "typical_p", "safe_prompt"],
)
def test_what_only_changes_how_a_model_writes_may_be_an_option(name: str):
    assert shape_problems({name: {"type": "boolean"}}) == []


@pytest.mark.parametrize(
    "names",
    [
        "n best_of num_completions candidate_count enable_search web_search_options search_parameters service_tier priority speed plugins",
        "max_tokens max_completion_tokens max_new_tokens min_tokens thinking_budget max_length num_predict timeout",
        "model models base_url api_base api_key endpoint url webhook_url custom_llm_provider provider route fallbacks transforms region",
        "extra_body extra_headers headers mock_response user metadata store stream stream_options",
        "temperature tools messages response_format seed logit_bias prompt modalities audio images file_ids",
    ],
)
def test_what_changes_price_limit_or_destination_or_stands_for_a_field_may_not(names: str):
    for name in names.split():
        assert shape_problems({name: {"type": "boolean"}}) == [f"{name!r} can't be an option."]


@pytest.mark.parametrize("name", ["", "API", "top-k", "top k", "1st", "a" * 65, "top_k\n", "top.k"])
def test_a_name_is_one_a_provider_would_write(name: str):
    assert shape_problems({name: {"type": "boolean"}})


@pytest.mark.parametrize(
    "shape",
    [
        TOP_K,
        {"type": "number", "minimum": 0, "maximum": 1.5},
        {"type": "integer", "choices": [1, 2]},
        {"type": "string", "choices": ["fast", "slow"], "description": "How."},
        {"type": "boolean", "description": "Whether."},
    ],
)
def test_a_shape_has_a_type_and_a_range_or_choices(shape: dict[str, Any]):
    assert shape_problems({"top_k": shape}) == []


@pytest.mark.parametrize(
    "shape",
    [
        5,
        {},
        {"type": "object"},
        {"type": ["integer"]},
        {"type": "integer"},
        {"type": "number", "minimum": 0},
        {"type": "integer", "minimum": 0.5, "maximum": 2},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"type": "integer", "minimum": True, "maximum": 2},
        {"type": "integer", "minimum": "1", "maximum": "2"},
        {"type": "string"},
        {"type": "string", "choices": []},
        {"type": "string", "choices": ["a", 5]},
        {"type": "string", "choices": "ab"},
        {"type": "string", "minimum": "a", "maximum": "b", "choices": ["a"]},
        {"type": "boolean", "choices": [True]},
        {"type": "boolean", "minimum": 0, "maximum": 1},
        {**TOP_K, "max": 5},
        {**TOP_K, "description": 5},
    ],
)
def test_a_shape_that_leaves_something_open_is_refused(shape: Any):
    assert shape_problems({"top_k": shape})


@pytest.mark.parametrize("options", [None, [], "top_k", 5])
def test_options_are_a_mapping(options: Any):
    assert shape_problems(options) == ["Give a mapping of names to types and ranges."]


SHAPES = {
    "top_k": TOP_K,
    "penalty": {"type": "number", "minimum": 0.5, "maximum": 2},
    "mode": {"type": "string", "choices": ["fast", "slow"]},
    "thinking": {"type": "boolean"},
    "level": {"type": "integer", "choices": [1, 2]},
}


@pytest.mark.parametrize(
    "given",
    [
        {"top_k": 1},
        {"top_k": 100},
        {"top_k": 7.0},
        {"penalty": 1},
        {"penalty": 0.5},
        {"mode": "fast"},
        {"thinking": False},
        {"level": 2},
        {"unlisted": object()},
    ],
)
def test_a_value_of_its_shape_is_taken(given: dict[str, Any]):
    assert wrong_values(given, shapes=SHAPES) == []


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("top_k", 0, "must be an integer from 1 to 100"),
        ("top_k", 101, "must be an integer from 1 to 100"),
        ("top_k", 1.5, "must be an integer from 1 to 100"),
        ("top_k", True, "must be an integer from 1 to 100"),
        ("top_k", "5", "must be an integer from 1 to 100"),
        ("top_k", [5], "must be an integer from 1 to 100"),
        ("penalty", 2.01, "must be a number from 0.5 to 2"),
        ("penalty", False, "must be a number from 0.5 to 2"),
        ("mode", "FAST", "must be one of fast, slow"),
        ("mode", {"fast": 1}, "must be one of fast, slow"),
        ("thinking", 1, "must be true or false"),
        ("thinking", "true", "must be true or false"),
        ("level", 3, "must be one of 1, 2"),
        ("level", True, "must be one of 1, 2"),
    ],
)
def test_any_other_is_named_by_its_pointer(name: str, value: Any, wanted: str):
    assert wrong_values({name: value}, shapes=SHAPES) == [{"param": f"/model_options/{name}", "message": wanted}]


def test_an_integral_float_is_sent_as_an_integer():
    (sent,) = as_sent({"top_k": 7.0}, SHAPES).values()
    assert (sent, type(sent)) == (7, int)


def test_auto_takes_the_first_model_that_takes_the_value():
    narrow = model("narrow", auto_rank=1, model_options={"top_k": {**TOP_K, "maximum": 10}})
    wide = model("wide", auto_rank=2, model_options={"top_k": TOP_K})
    both = catalog(narrow, wide)
    assert candidates(both, "auto", options={"top_k": 5})[0][0] is narrow
    assert [found.id for found, _ in candidates(both, "auto", options={"top_k": 50})] == ["wide"]
    for asked, value in (("auto", 500), ("narrow", 50)):
        with pytest.raises(ApiError) as caught:
            candidates(both, asked, options={"top_k": value})
        assert (caught.value.code, caught.value.param) == ("invalid_request", "/model_options/top_k")


def test_an_option_nobody_lists_is_unsupported_by_its_name_however_it_is_written():
    with pytest.raises(ApiError) as caught:
        candidates(catalog(model("m", model_options={"top_k": TOP_K})), "m", options={"top_k": 500, "a/b~c": 1})
    assert (caught.value.code, caught.value.param) == ("unsupported_option", "/model_options/a~1b~0c")
    assert caught.value.details["unsupported_fields"] == ["model_options.a/b~c"]
    # and the wrong value beside it, in the same answer
    assert [error["param"] for error in caught.value.details["errors"]] == ["/model_options/a~1b~0c", "/model_options/top_k"]
    assert caught.value.message.endswith("/model_options/top_k must be an integer from 1 to 100.")


@pytest.mark.parametrize("one", SEEDS, ids=lambda one: one.id)
def test_the_options_of_the_first_catalog_are_good(one: Any):
    assert shape_problems(one.model_options) == []
