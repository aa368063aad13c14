"""What a chat body may say, and how a wrong one is answered. No server is needed: contract.md 2 is held line by line."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.schema import OURS, ChatRequest, parse
from contract.errors import ApiError

TOOLS = [{"type": "function", "function": {"name": "f"}}]
SMALLEST: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "/model"),
    ({"model": 5}, "/model"),
    ({"model": ""}, "/model"),
    ({"messages": None}, "/messages"),
    ({"messages": []}, "/messages"),
    ({"messages": "hi"}, "/messages"),
    ({"messages": [5]}, "/messages/0"),
    ({"messages": [{"content": "x"}]}, "/messages/0/role"),
    ({"messages": [{"role": "narrator", "content": "x"}]}, "/messages/0/role"),
    ({"messages": [{"role": "user"}]}, "/messages/0/content"),
    ({"messages": [{"role": "user", "content": None}]}, "/messages/0/content"),
    ({"messages": [{"role": "user", "content": 5}]}, "/messages/0/content"),
    ({"messages": [{"role": "user", "content": []}]}, "/messages/0/content"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "/messages/0/content/0/text"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "/messages/0/content/0/text"),
    ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "/messages/0/content/0/type"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://plain.example/a.png"}}]}]},
        "/messages/0/content/0/image_url/url",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]},
        "/messages/0/content/0/image_url/url",
    ),
    ({"messages": [{"role": "assistant"}]}, "/messages/0/content"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "/messages/0/tool_call_id"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f"}}]}]},
        "/messages/0/tool_calls/0/function/arguments",
    ),
    ({"stream": "true"}, "/stream"),
    ({"stream": 1}, "/stream"),
    ({"stream_options": {"include_usage": True}}, "/stream_options"),
    ({"stream": True, "stream_options": {"include_usage": "yes"}}, "/stream_options/include_usage"),
    ({"temperature": "0.5"}, "/temperature"),
    ({"temperature": True}, "/temperature"),
    ({"temperature": 2.1}, "/temperature"),
    ({"temperature": -0.1}, "/temperature"),
    ({"top_p": 1.01}, "/top_p"),
    ({"max_tokens": 0}, "/max_tokens"),
    ({"max_tokens": 1.5}, "/max_tokens"),
    ({"max_tokens": "5"}, "/max_tokens"),
    ({"max_tokens": True}, "/max_tokens"),
    ({"max_completion_tokens": -1}, "/max_completion_tokens"),
    ({"max_tokens": 5, "max_completion_tokens": 6}, "/max_completion_tokens"),
    ({"n": 0}, "/n"),
    ({"n": 9}, "/n"),
    ({"stop": 5}, "/stop"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "/stop"),
    ({"stop": ["a", 5]}, "/stop/1"),
    ({"seed": 0.5}, "/seed"),
    ({"seed": 2**63}, "/seed"),
    ({"frequency_penalty": 2.5}, "/frequency_penalty"),
    ({"presence_penalty": -2.5}, "/presence_penalty"),
    ({"logit_bias": {"50": 101}}, "/logit_bias/50"),
    ({"logit_bias": []}, "/logit_bias"),
    ({"logprobs": 1}, "/logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "/top_logprobs"),
    ({"top_logprobs": 2}, "/top_logprobs"),
    ({"tools": {}}, "/tools"),
    ({"tools": [{"type": "mcp", "server_url": "https://x.example"}]}, "/tools/0/type"),
    ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "/tools/0/function/name"),
    ({"tool_choice": "any"}, "/tool_choice"),
    ({"tool_choice": 5}, "/tool_choice"),
    ({"parallel_tool_calls": "no"}, "/parallel_tool_calls"),
    ({"response_format": {"type": "xml"}}, "/response_format/type"),
    ({"response_format": {"type": "json_schema"}}, "/response_format/json_schema"),
    ({"reasoning_effort": "huge"}, "/reasoning_effort"),
    ({"verbosity": "loud"}, "/verbosity"),
    ({"modalities": ["video"]}, "/modalities/0"),
    ({"modalities": []}, "/modalities"),
    ({"metadata": {str(number): "x" for number in range(17)}}, "/metadata"),
    ({"metadata": {"a": 5}}, "/metadata/a"),
    ({"store": "no"}, "/store"),
    ({"service_tier": "gold"}, "/service_tier"),
    ({"user": 5}, "/user"),
    ({"model_options": []}, "/model_options"),
    ({"model_options": {str(number): 1 for number in range(33)}}, "/model_options"),
    ({"logit_bias": {"fifty": 1}}, "/logit_bias/fifty"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "other"}}}, "/tool_choice/function/name"),
    ({"tools": TOOLS, "tool_choice": {"type": "function"}}, "/tool_choice/function"),
    ({"nonsense": 1}, "/nonsense"),
    ({"a/b~c": 1}, "/a~1b~0c"),
    ({"api_base": "http://10.0.0.1", "api_key": "x"}, "/api_base"),
    ({"mock_response": "free"}, "/mock_response"),
]
"""Fields that make a body invalid, and where it is told."""


def body(**fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SMALLEST), **fields}


def refused(value: dict[str, Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse(value)
    return caught.value


def params(error: ApiError) -> list[str]:
    return [line["param"] for line in error.details["errors"]]


def test_the_smallest_body_is_taken():
    assert parse(SMALLEST).wire() == {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(("fields", "param"), WRONG)
def test_a_wrong_field_is_named_by_its_pointer(fields: dict[str, Any], param: str):
    error = refused(body(**fields))
    assert error.code == "invalid_request"
    assert param in params(error)
    assert error.param == params(error)[0]


def test_every_wrong_field_is_listed_at_once():
    error = refused(body(temperature="hot", n=99, messages=[{"role": "user", "content": 5}], nonsense=True))
    assert sorted(params(error)) == ["/messages/0/content", "/n", "/nonsense", "/temperature"]
    assert all(line["message"] for line in error.details["errors"])


def test_the_message_has_the_first_three_reasons():
    """Clients often show nothing but the message."""
    error = refused({})
    assert error.message == "/model is required; /messages is required."
    error = refused(body(temperature="hot", n=99, seed="x", top_p="y", nonsense=True))
    assert error.message.count(";") == 2
    assert error.message.endswith(" (and 2 more).")


def test_a_refusal_never_repeats_the_value():
    error = refused(body(model=5, user={"secret": "hunter2"}, temperature="hunter2", stop={"hunter2": 1}, reasoning_effort="hunter2"))
    assert "hunter2" not in error.message + str(error.details)


@pytest.mark.parametrize(
    "name",
    [
        "functions",
        "function_call",
        "prediction",
        "web_search_options",
        "audio",
        "moderation",
        "prompt_cache_retention",
        "prompt_cache_options",
    ],
)
def test_openai_fields_we_do_not_have_are_an_unsupported_option(name: str):
    error = refused(body(**{name: {}}))
    assert (error.code, error.details["unsupported_fields"]) == ("unsupported_option", [name])


@pytest.mark.parametrize(
    ("fields", "named", "param"),
    [
        ({"store": True}, "store", "/store"),
        ({"service_tier": "flex"}, "service_tier", "/service_tier"),
        ({"service_tier": "fast"}, "service_tier", "/service_tier"),
        ({"modalities": ["text", "audio"]}, "modalities", "/modalities/1"),
        ({"tools": [*TOOLS, {"type": "custom", "custom": {"name": "x"}}]}, "tools", "/tools/1"),
        ({"tools": TOOLS, "tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice", "/tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice", "/tool_choice"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "input_audio",
            "/messages/0/content/0",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "file", "/messages/0/content/0"),
    ],
)
def test_values_openai_has_and_we_do_not_are_an_unsupported_option(fields: dict[str, Any], named: str, param: str):
    error = refused(body(**fields))
    assert (error.code, error.details["unsupported_fields"], error.param) == ("unsupported_option", [named], param)


def test_a_wrong_value_beside_one_we_do_not_have_makes_the_request_invalid():
    error = refused(body(modalities=["audio"], n=0))
    assert (error.code, sorted(params(error))) == ("invalid_request", ["/modalities/0", "/n"])


@pytest.mark.parametrize("name", [name for name in ChatRequest.model_fields if name not in ("model", "messages")] + ["functions", "audio"])
def test_null_means_not_given(name: str):
    assert parse(body(**{name: None})).wire() == parse(SMALLEST).wire()


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1},
        {"n": 1.0},
        {"frequency_penalty": 0},
        {"presence_penalty": 0.0},
        {"top_p": 1},
        {"logprobs": False},
        {"logit_bias": {}},
        {"tools": []},
        {"stop": []},
        {"tool_choice": "auto"},
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"top_logprobs": 0},
        {"stop": ""},
        {"verbosity": "medium"},
        {"metadata": {"a": None}},
        {"logit_bias": {"50": None}},
        {"model_options": {"anything": None}},
        {"parallel_tool_calls": False},
        {"parallel_tool_calls": True, "tools": []},
        {"response_format": {"type": "text"}},
        {"modalities": ["text"]},
        {"service_tier": "auto"},
        {"store": False},
        {"stream": False},
    ],
)
def test_a_field_at_its_default_counts_as_not_given(fields: dict[str, Any]):
    assert parse(body(**fields)).wire() == parse(SMALLEST).wire()


def test_an_integral_float_is_an_integer():
    request = parse(body(max_tokens=20.0, seed=7.0))
    assert (request.output_limit, request.seed) == (20, 7)
    assert type(request.output_limit) is int


def test_both_names_of_the_limit_may_agree():
    assert parse(body(max_tokens=5, max_completion_tokens=5)).output_limit == 5


def test_what_is_ours_is_never_forwarded():
    given_ours = {
        "metadata": {"order": "7"},
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "store": False,
        "service_tier": "default",
    }
    assert set(given_ours) == OURS
    assert parse(body(**given_ours)).wire() == parse(SMALLEST).wire()


def test_an_answer_of_ours_can_be_sent_back_as_it_came():
    answer = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "reasoning_content": "thinking",
        "audio": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    messages = [{"role": "user", "content": "hi"}, answer, {"role": "tool", "tool_call_id": "call_1", "content": "42"}]
    sent = parse(body(messages=messages)).wire()["messages"]
    assert sent[1]["tool_calls"] == answer["tool_calls"]
    assert "annotations" not in sent[1]


def test_unknown_fields_inside_are_dropped():
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {}}], "x": 1}]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "y": 2}, "z": 3}]
    wire = parse(body(messages=messages, tools=tools)).wire()
    assert wire["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert wire["tools"] == [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def test_a_schema_keeps_its_own_name_on_the_wire():
    answer_format = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True}}
    assert parse(body(response_format=answer_format)).wire()["response_format"] == answer_format


def test_more_than_twenty_images_are_refused():
    image = {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}}
    assert parse(body(messages=[{"role": "user", "content": [image] * 20}])).images == 20
    assert params(refused(body(messages=[{"role": "user", "content": [image] * 21}]))) == ["/messages"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [0] * 1_000_000}, "/messages"),
        ({"messages": [{}] * 1_000_000}, "/messages"),
        ({"messages": [{"role": "user", "content": [0] * 1_000_000}]}, "/messages/0/content"),
        ({"messages": [{"role": "user", "content": [0] * 999}] * 999}, "/messages"),
        ({"messages": [{"role": "assistant", "tool_calls": [0] * 1_000_000}]}, "/messages/0/tool_calls"),
        ({"tools": [0] * 1_000_000}, "/tools"),
        ({"logit_bias": {str(number): None for number in range(100_000)}}, "/logit_bias"),
    ],
)
def test_what_is_too_much_to_look_at_is_refused_at_once(fields: dict[str, Any], param: str):
    assert params(refused(body(**fields))) == [param]


def test_an_answer_lists_no_more_errors_than_anybody_reads():
    error = refused(body(messages=[0] * 500))
    assert len(params(error)) == 20
    assert refused({**SMALLEST, **{f"x{number}": 1 for number in range(100_000)}}).param == ""
    assert len(refused(body(model_options={"x" * 5000: 1})).param or "") < 2000
    assert len(refused({**SMALLEST, "x" * 1_000_000: 1}).message) < 2000


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(list(ChatRequest.model_fields)) | st.text(max_size=6), values, max_size=6))
def test_any_body_is_taken_or_refused_in_the_contracts_words(fields: dict[str, Any]):
    try:
        parse({**SMALLEST, **fields}).wire()
    except ApiError as error:
        assert error.code in ("invalid_request", "unsupported_option")
