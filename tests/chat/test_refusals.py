"""How providers word a refused request, each as it was seen: which of ours it is."""

from __future__ import annotations

from typing import Any

import pytest

from chat.upstream.errors import ContextTooLong, Misconfigured, Rejected, Unsafe, UpstreamError
from tests.chat.raw_provider import RawProvider, delta, events, whole
from tests.chat.upstreams import Provider

# LiteLLM's, and Pydantic's about the odd answers that it is given here
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_", "ignore:Pydantic serializer warnings")

UNSAFE = {
    "openai": {
        "message": "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_prompt",
    },
    "openai, an image": {
        "message": "Your input image may contain content that is not allowed by our safety system.",
        "type": "invalid_request_error",
        "param": None,
        "code": "content_policy_violation",
    },
    "azure": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    },
    "anthropic": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"},
    "qwen": {
        "message": "Input data may contain inappropriate content.",
        "type": "data_inspection_failed",
        "param": None,
        "code": "data_inspection_failed",
    },
    "minimax": {"type": "bad_request_error", "message": "input new_sensitive (1026)", "http_code": "400"},
    "deepseek": {"message": "Content Exists Risk", "type": "invalid_request_error", "param": None, "code": "invalid_request_error"},
}
NO_MATTER_OF_SAFETY = {
    "a field": {
        "message": "Unsupported parameter: 'safety_identifier' is not supported with this model.",
        "type": "invalid_request_error",
        "param": "safety_identifier",
        "code": "unsupported_parameter",
    },
    "a field, without a code": {"message": "Unrecognized request argument supplied: safety_identifier", "type": "invalid_request_error"},
    "a field that is named like a refusal": {
        "message": "Invalid value: 'content_filter'. See our content policy.",
        "type": "invalid_request_error",
        "code": "invalid_value",
    },
    "a letter": {"message": "The name of a function is case-sensitive.", "type": "invalid_request_error", "code": None},
}


@pytest.mark.parametrize("transport", ["native", "litellm"])
@pytest.mark.parametrize("name", UNSAFE)
def test_a_refused_content_is_known_by_each_providers_words(transport: str, name: str):
    assert type(refused(UNSAFE[name], transport=transport)) is Unsafe


@pytest.mark.parametrize("name", NO_MATTER_OF_SAFETY)
def test_a_wrong_field_is_no_refused_content(name: str):
    assert type(refused(NO_MATTER_OF_SAFETY[name])) is Rejected


@pytest.mark.parametrize("name", ["a field", "a field, without a code", "a letter"])
def test_nor_is_it_in_mid_stream_where_that_would_be_charged(name: str):
    with RawProvider(events(delta(content="a"), {"error": NO_MATTER_OF_SAFETY[name]})) as raw:
        got = Provider("native", raw.base_url).stream("hi")
    assert (got.text(), type(got.error)) == ("a", Rejected)


def test_what_a_provider_quotes_of_a_prompt_decides_nothing():
    error = {"message": "messages.0: invalid", "type": "invalid_request_error", "input": "what is a content policy?"}
    assert type(refused(error)) is Rejected


def test_qwens_code_of_a_wrong_field_is_also_its_code_of_a_long_prompt():
    error = {"message": "Range of input length should be [1, 30720]", "type": "invalid_request_error", "code": "invalid_parameter_error"}
    assert type(refused(error)) is ContextTooLong


def test_an_account_without_money_is_known_inside_a_400():
    error = {"message": "Access denied, please make sure your account is in good standing.", "type": "Arrearage", "code": "Arrearage"}
    assert type(refused(error)) is Misconfigured


@pytest.mark.parametrize("body", [b"content_filter", b"<p>content filter</p>", b'["content_filter"]', b'{"detail":"content_filter"}'])
def test_a_refusal_in_another_shape_is_read_as_a_text(body: bytes):
    with RawProvider(whole(body, status="400 Bad Request")) as raw:
        assert type(Provider("native", raw.base_url).error("hi", streaming=False)) is Unsafe


def refused(error: dict[str, Any], *, transport: str = "native") -> UpstreamError | None:
    """What comes of a 400 with this error object."""
    with RawProvider(whole({"error": error}, status="400 Bad Request")) as raw:
        return Provider(transport, raw.base_url).error("hi", streaming=False)
