"""What both transports send up: the fields by the names that a provider knows, and the credential."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chat.upstream import dialects
from chat.upstream.body import body_of
from chat.upstream.errors import Misconfigured
from tests.chat.raw_provider import RawProvider, delta, events, said, whole
from tests.chat.upstreams import Provider, route

# LiteLLM's, and Pydantic's about the odd answers that it is given here
pytestmark = pytest.mark.filterwarnings(
    "ignore:Accessing the 'model_", "ignore:Pydantic serializer warnings", "ignore:Item 'summary' on TypedDict"
)
HI = whole(said("hi"))


@pytest.fixture(params=["native", "litellm"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


def sent(transport: str, *, provider: str = "openai", model: str = "m", sandbox: bool = False, **fields: Any) -> dict[str, Any]:
    """The body that a provider gets."""
    with RawProvider(HI) as raw:
        Provider(transport, raw.base_url, provider=provider, model=model, sandbox=sandbox).complete("hi", **fields)
        return raw.requests[0].body


def body(provider: str, **fields: Any) -> Any:
    """The body that a provider would get at its own address."""
    address = "https://api.openai.com/v1" if provider == "openai" else "https://api.example.com/v1"
    return json.loads(body_of(Provider("native", address, provider=provider, model="m").call("hi", **fields)))


@pytest.mark.parametrize(
    ("provider", "more"),
    [
        ("openai", {"max_completion_tokens": 77, "safety_identifier": "digest"}),
        ("someone", {"max_tokens": 77}),
        ("minimax", {"max_tokens": 77, "reasoning_split": True}),
        ("dashscope", {"max_tokens": 77}),
    ],
)
def test_each_field_goes_by_the_name_that_the_provider_knows(provider: str, more: dict[str, Any]):
    assert body(provider, limit=77, end_user="digest") == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        **more,
    }


@pytest.mark.parametrize(
    ("base_url", "openais"),
    [
        ("", True),
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://API.OpenAI.com:443/v1", True),
        ("https://api.example.com/v1", False),
        ("https://api.openai.com.example.com/v1", False),
        ("https://notapi.openai.com/v1", False),
        ("http://127.0.0.1:8000/v1", False),
    ],
)
@pytest.mark.parametrize("name", ["openai/gpt-4o-mini", "gpt-4o-mini"])
def test_only_openais_own_hosts_are_spoken_to_as_openai(base_url: str, openais: bool, name: str):
    """Others are named `openai/...` as well, and refuse the fields that OpenAI alone has."""
    asked = dialects.of(replace(route(base_url), litellm_model=name))
    assert asked is (dialects.DIALECTS["openai"] if openais else dialects.ANY)


def test_a_stream_asks_for_its_usage(transport: str):
    with RawProvider(events(delta(content="a", finish="stop"))) as raw:
        Provider(transport, raw.base_url).stream("hi")
        assert raw.requests[0].body["stream"] is True
        assert raw.requests[0].body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("provider", ["openai", "minimax", "dashscope"])
def test_options_go_beside_the_fields_and_never_over_them(transport: str, provider: str):
    ours = {"model": "other", "messages": [], "max_tokens": 9, "max_completion_tokens": 9, "stream": True, "temperature": 2}
    got = sent(transport, provider=provider, options={"top_k": 5, "thinking_budget": 100, **ours}, temperature=0.5, limit=77)
    assert (got["top_k"], got["thinking_budget"]) == (5, 100)
    assert (got["model"], got["temperature"], got.get("stream") or False) == ("m", 0.5, False)
    assert got["messages"][0]["content"] == "hi"
    assert {got[name] for name in ("max_tokens", "max_completion_tokens") if name in got} == {77}


def test_the_callers_digests_go_where_the_provider_has_a_field_for_them(transport: str):
    got = sent(transport, end_user="digest-a", cache_key="digest-b", sandbox=True)
    assert (got["safety_identifier"], got["prompt_cache_key"]) == ("digest-a", "digest-b")
    got = sent(transport, end_user="digest-a", cache_key="digest-b", provider="minimax")
    assert "digest" not in str(got)


def test_thinking_goes_back_only_to_a_provider_that_wants_it():
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes?", "reasoning_content": "a greeting"},
        {"role": "user", "content": "hi"},
    ]
    for provider, role, thinking in (
        ("openai", "developer", {}),
        ("dashscope", "system", {}),
        ("minimax", "system", {"reasoning_details": [{"type": "reasoning.text", "text": "a greeting"}]}),
    ):
        said = body(provider, messages=messages)["messages"]
        assert said[0] == {"role": role, "content": "Be brief."}
        assert said[2] == {"role": "assistant", "content": "yes?", **thinking}
    assert messages[2]["reasoning_content"] == "a greeting"


def test_the_credential_goes_up_and_nowhere_else(transport: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_API_KEY", "sk-very-secret")
    with RawProvider(whole({"error": {"message": "sk-very-secret is wrong"}}, status="401 No")) as raw:
        error = Provider(transport, raw.base_url, key="TEST_API_KEY").error("hi", streaming=False)
        assert "authorization: bearer sk-very-secret" in raw.requests[0].head.lower()
    assert type(error) is Misconfigured
    assert "sk-very" not in repr(error)


def test_a_credential_that_is_none_is_not_sent(monkeypatch: pytest.MonkeyPatch):
    with RawProvider(HI) as raw:
        Provider("native", raw.base_url).complete("hi")
        assert "authorization" not in raw.requests[0].head.lower()
        monkeypatch.setenv("TEST_API_KEY", "sk-two\nlines")
        error = Provider("native", raw.base_url, key="TEST_API_KEY").error("hi", streaming=False)
    assert type(error) is Misconfigured
    assert "sk-two" not in repr(error)
