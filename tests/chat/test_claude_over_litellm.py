"""The litellm transport over Anthropic's wire, which is what it is there for: answers, streams, ends that are none, and refusals.

Wire format: docs.anthropic.com/en/docs/build-with-claude/streaming.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.upstream.errors import ContextTooLong, Misconfigured, NotThere, Overloaded, Rejected, TooLarge, UpstreamError
from tests.chat.raw_provider import RawProvider, chunked, whole
from tests.chat.upstreams import Provider, Streamed

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_", "ignore:Item 'summary' on TypedDict")

USAGE = {"input_tokens": 25, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 3}
COUNTED = {"prompt_tokens": 35, "completion_tokens": 15, "cached_tokens": 3, "cache_write_tokens": 7, "reasoning_tokens": 0}


def event(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def block(index: int, opening: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    begin = event("content_block_start", index=index, content_block=opening)
    return (
        begin + b"".join(event("content_block_delta", index=index, delta=one) for one in deltas) + event("content_block_stop", index=index)
    )


def end(reason: str | None) -> bytes:
    said = event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 15})
    return said + event("message_stop")


START = event("message_start", message={"id": "msg_1", "role": "assistant", "content": [], "usage": {**USAGE, "output_tokens": 1}})
TEXT = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hello"}, {"type": "text_delta", "text": "!"})


def claude(raw: RawProvider) -> Provider:
    return Provider("litellm", raw.base_url.removesuffix("/v1"), provider="anthropic", model="claude-sonnet-5-5")


def streamed(*parts: bytes) -> Streamed:
    with RawProvider(chunked(*parts)) as raw:
        return claude(raw).stream("hi")


def message(text: str, *, reason: str | None) -> bytes:
    said = {"content": [{"type": "text", "text": text}], "stop_reason": reason, "usage": {**USAGE, "output_tokens": 15}}
    return whole({"id": "m", "type": "message", "role": "assistant", "model": "claude", **said})


@pytest.mark.parametrize(
    ("reason", "meant"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"), ("refusal", "content_filter")],
)
def test_an_answer_and_its_end(reason: str, meant: str):
    with RawProvider(message("hi", reason=reason)) as raw:
        answer = claude(raw).complete("hi", limit=77, end_user="digest")
        assert (raw.requests[0].body["max_tokens"], raw.requests[0].body["metadata"]) == (77, {"user_id": "digest"})
    assert (answer.choices[0]["message"]["content"], answer.choices[0]["finish_reason"], answer.usage) == ("hi", meant, COUNTED)
    got = streamed(START, TEXT, end(reason))
    assert (got.error, got.text(), got.finish(), got.usage) == (None, "Hello!", meant, COUNTED)


def test_an_answer_without_an_end_is_none():
    with RawProvider(message("hi", reason=None)) as raw:
        assert isinstance(claude(raw).error("hi", streaming=False), UpstreamError)
    got = streamed(START, TEXT)
    assert (got.text(), got.finish()) == ("Hello!", None)


def test_thinking_comes_apart_and_a_tool_call_in_pieces():
    thinking = block(0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "hm"})
    arguments = [{"type": "input_json_delta", "partial_json": part} for part in ('{"city":', ' "Riga"}')]
    call = block(1, {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}, *arguments)
    got = streamed(START, thinking, call, end("tool_use"))
    assert (got.text("reasoning_content"), got.text(), got.finish()) == ("hm", "", "tool_calls")
    pieces = [piece for choice in got.choices() for piece in choice["delta"].get("tool_calls", ())]
    assert (pieces[0]["index"], pieces[0]["id"], pieces[0]["function"]["name"]) == (0, "toolu_1", "weather")
    assert json.loads("".join(piece["function"]["arguments"] for piece in pieces)) == {"city": "Riga"}


@pytest.mark.parametrize("before", [b"", START + TEXT], ids=["at once", "in the middle"])
def test_an_overload_in_the_stream_is_one(before: bytes):
    got = streamed(before + event("error", error={"type": "overloaded_error", "message": "Overloaded"}))
    assert (type(got.error), got.finish()) == (Overloaded, None)


@pytest.mark.parametrize("streaming", [False, True], ids=["sync", "stream"])
@pytest.mark.parametrize(
    ("status", "type_", "said", "kind"),
    [
        (529, "overloaded_error", "Overloaded", Overloaded),
        (429, "rate_limit_error", "This would exceed your rate limit", Overloaded),
        (413, "request_too_large", "Request exceeds the maximum size", TooLarge),
        (400, "invalid_request_error", "prompt is too long: 5 tokens > 3 maximum", ContextTooLong),
        (400, "invalid_request_error", "messages: wrong", Rejected),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", Misconfigured),
        (401, "authentication_error", "invalid x-api-key", Misconfigured),
        (404, "not_found_error", "model: claude-none", NotThere),
    ],
)
def test_a_refusal_keeps_its_meaning(status: int, type_: str, said: str, kind: type[UpstreamError], streaming: bool):
    body = {"type": "error", "error": {"type": type_, "message": said}}
    with RawProvider(whole(body, status=f"{status} No")) as raw:
        error = claude(raw).error("hi", streaming=streaming)
        assert len(raw.requests) == 1
    assert type(error) is kind


def test_an_option_goes_by_its_name_unless_litellm_acts_on_it():
    with RawProvider(message("hi", reason="end_turn")) as raw:
        claude(raw).complete("hi", options={"depth": 5})
        assert raw.requests[0].body["depth"] == 5
        assert type(claude(raw).error("hi", streaming=False, options={"mock_response": "free"})) is Misconfigured
        assert len(raw.requests) == 1
