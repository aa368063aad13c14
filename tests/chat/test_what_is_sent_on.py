"""What of a request reaches the provider, over real HTTP: all that the model takes, as it was given, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.fields import FIELDS
from tests.chat.priced_model import priced_model
from tests.chat.received import received

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "default": None}}, "required": ["city"]},
        "strict": True,
    },
}
ANSWER = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object", "enum": [None]}, "strict": True}}


@pytest.fixture(scope="module")
def takes_all(site, django_db_blocker) -> str:
    """A model that takes every field, and one option of its own."""
    with django_db_blocker.unblock():
        return priced_model(
            site.v1,
            upstream="sandbox",
            supported_fields=sorted(FIELDS),
            model_options={"top_k": {"type": "integer", "minimum": 1, "maximum": 100}},
            temperature_min="0.20",
        )


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.7},
        {"top_p": 0.5},
        {"n": 2},
        {"stop": "END"},
        {"stop": ["a", "b", "c", "d"]},
        {"seed": 7},
        {"frequency_penalty": -2},
        {"presence_penalty": 1.5},
        {"logit_bias": {"50": -100, "51": 0.5}},
        {"logprobs": True},
        {"logprobs": True, "top_logprobs": 20},
        {"tools": [WEATHER]},
        {"tools": [WEATHER], "tool_choice": "none"},
        {"tools": [WEATHER], "tool_choice": "required"},
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
        {"tools": [WEATHER], "parallel_tool_calls": False},
        {"response_format": {"type": "json_object"}},
        {"response_format": ANSWER},
        {"reasoning_effort": "high"},
        {"verbosity": "low"},
    ],
    ids=lambda fields: "+".join(fields),
)
def test_a_field_that_the_model_takes_is_sent_as_it_was_given(customer, sandbox: str, takes_all: str, fields: dict[str, Any]):
    body = received(customer(), sandbox, model=takes_all, **fields)
    assert {name: body[name] for name in fields} == fields
    assert set(body) == {"model", "messages", "max_completion_tokens", *fields}


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": None, "tools": None, "stop": None, "metadata": None, "response_format": None, "stream": None},
        {"top_p": 1.0, "n": 1.0, "stop": [], "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}, "logprobs": False},
        {"top_logprobs": 0, "tools": [], "tool_choice": "required", "parallel_tool_calls": True},
        {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
        {"response_format": {"type": "text"}, "verbosity": "medium", "modalities": ["text"]},
        {"metadata": {"order": "7", "none": None}, "store": False, "service_tier": "default"},
        {"functions": None, "function_call": None, "audio": None},
        {"model_options": {}},
    ],
)
def test_a_field_at_its_default_or_of_ours_is_not_sent(customer, sandbox: str, fields: dict[str, Any]):
    body = received(customer(), sandbox, **fields)
    assert set(body) == {"model", "messages", "max_completion_tokens"}


def test_the_default_choice_of_a_tool_is_not_sent(customer, sandbox: str):
    body = received(customer(), sandbox, tools=[WEATHER], tool_choice="auto", parallel_tool_calls=True)
    assert set(body) == {"model", "messages", "max_completion_tokens", "tools"}


def test_metadata_is_kept_on_the_record(customer, sandbox: str):
    owner = customer()
    received(owner, sandbox, metadata={"order": "7", "none": None})
    assert owner.record.metadata == {"order": "7"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, 4096),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6.0}, 6),
        ({"max_tokens": 7, "max_completion_tokens": 7}, 7),
        ({"max_tokens": None, "max_completion_tokens": 8}, 8),
        ({"max_tokens": 2**63}, 131_072),
    ],
)
def test_the_limit_is_the_callers_or_the_models(customer, sandbox: str, given: dict[str, Any], sent: int):
    assert received(customer(), sandbox, **given)["max_completion_tokens"] == sent


def test_a_temperature_below_the_least_is_raised_to_it(customer, sandbox: str, takes_all: str):
    owner = customer()
    assert received(owner, sandbox, model=takes_all, temperature=0)["temperature"] == 0.2
    assert received(owner, sandbox, temperature=0)["temperature"] == 0.01


def test_a_seed_is_a_hint(customer, sandbox: str, takes_all: str):
    """No model refuses one; one that knows seeds gets the same for the same, within what every provider takes."""
    owner = customer()
    assert "seed" not in received(owner, sandbox, seed=7)
    sent = [received(owner, sandbox, model=takes_all, seed=seed)["seed"] for seed in (7, 7.0, -1, 2**62, 2**62)]
    assert sent[:2] == [7, 7]
    assert sent[3] == sent[4]
    assert all(0 <= seed < 2**31 for seed in sent)


def test_an_option_of_the_models_own_is_sent_beside_the_fields(customer, sandbox: str, takes_all: str):
    owner = customer()
    assert received(owner, sandbox, model=takes_all, model_options={"top_k": 7.0})["top_k"] == 7
    assert received(owner, sandbox, model="qwen-max", model_options={"top_k": 50, "repetition_penalty": 1.1})["repetition_penalty"] == 1.1


def test_auto_takes_a_model_with_the_option(customer, sandbox: str):
    body = received(customer(), sandbox, model="auto", model_options={"repetition_penalty": 1.1})
    assert (body["model"], body["repetition_penalty"]) == ("qwen-max", 1.1)


def test_unknown_fields_inside_are_not_sent(customer, sandbox: str):
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}], "x": 1},
        {"role": "user", "content": "hi", "name": "ada", "api_base": "http://10.0.0.1"},
    ]
    tool = {**WEATHER, "api_key": "x", "function": {**WEATHER["function"], "url": "http://10.0.0.1"}}
    body = received(customer(), sandbox, messages=messages, tools=[tool])
    assert body["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "hi", "name": "ada"},
    ]
    assert body["tools"] == [WEATHER]


def test_nulls_inside_are_not_sent(customer, sandbox: str):
    messages = [
        {"role": "system", "content": "Be kind.", "name": None},
        {"role": "user", "content": "hi", "name": None, "tool_calls": None},
        {
            "role": "assistant",
            "content": None,
            "name": None,
            "refusal": None,
            "reasoning_content": None,
            "tool_calls": [{"id": "a", "type": None, "function": {"name": "weather", "arguments": "{}", "strict": None}, "index": None}],
        },
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "rain", "annotations": None}]},
    ]
    tool = {"type": "function", "function": {"name": "weather", "description": None, "parameters": None, "strict": None}}
    schema = {"type": "json_schema", "json_schema": {"name": "a", "description": None, "schema": None, "strict": None}}
    body = received(customer(), sandbox, messages=messages, tools=[tool], response_format=schema)
    assert body["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "rain"}]},
    ]
    assert body["tools"] == [{"type": "function", "function": {"name": "weather"}}]
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "a"}}


def test_users_and_cache_keys_go_as_digests(customer, sandbox: str):
    """The same for the same user of one account, strangers across accounts, and never the name itself."""
    one, other = customer(), customer()
    named = received(one, sandbox, user="ada@example.com", prompt_cache_key="ada@example.com")
    again = received(one, sandbox, safety_identifier="ada@example.com", user="ignored beside it")
    apart = received(other, sandbox, user="ada@example.com", prompt_cache_key="ada@example.com")
    assert len(named["safety_identifier"]) == len(named["prompt_cache_key"]) == 64
    assert named["safety_identifier"] == again["safety_identifier"]
    assert len({body[name] for body in (named, apart) for name in ("safety_identifier", "prompt_cache_key")}) == 4
    assert "ada" not in str([named, again, apart])
    assert "prompt_cache_key" not in again
    assert "user" not in named
