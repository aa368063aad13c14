"""What OpenAI refuses, the stand-in refuses, in OpenAI's form."""

import pytest

from tests.sandbox.conftest import question

TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "usr", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}]}, None),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "call_1"}]}, "messages[0].role"),
        ({"model": 5}, "model"),
        ({"n": 0}, "n"),
        ({"n": "2"}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"model": "MiniMax-M2.7", "temperature": 0}, "temperature"),
        ({"model": "MiniMax-M2.7", "temperature": 1.5}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"tools": [{"type": "mcp"}]}, "tools[0].type"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"credits": 5}, "credits"),
    ],
    ids=str,
)
def test_it_refuses(http, change, param):
    answer = http.post("/chat/v1/chat/completions", json={**question("hi"), **change})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["type"] == "invalid_request_error"
    assert set(error) == {"message", "type", "param", "code"}
    if param:
        assert error["param"].startswith(param)


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
def test_it_takes_every_reasoning_effort(http, effort):
    answer = http.post("/chat/v1/chat/completions", json=question("hi", reasoning_effort=effort))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"null"])
def test_it_refuses_what_is_no_object(http, body):
    answer = http.post("/chat/v1/chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_it_does_not_know_every_model(http):
    answer = http.post("/chat/v1/chat/completions", json=question("hi", model="nobody-7b"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_it_knows_no_other_path(http):
    assert http.post("/chat/v1/embeddings", json={}).status_code == 404
    assert http.get("/").status_code == 404


def test_missing_fields_are_named(http):
    error = http.post("/chat/v1/chat/completions", json={"model": "gpt-4o-mini"}).json()["error"]
    assert (error["param"], error["code"]) == ("messages", "missing_required_parameter")
