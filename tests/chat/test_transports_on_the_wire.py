"""Both transports against a provider that sends exactly these bytes: odd wire forms, and what they mean."""

from __future__ import annotations

import socket
from typing import Any

import orjson
import pytest

from chat.upstream.errors import Failed, Overloaded, Unsafe, UpstreamError
from tests.chat.raw_provider import RawProvider, chunked, delta, events, said, whole
from tests.chat.upstreams import Provider, litellm_cannot

# LiteLLM's, and Pydantic's about the odd answers that it is given here
pytestmark = pytest.mark.filterwarnings(
    "ignore:Accessing the 'model_", "ignore:Pydantic serializer warnings", "ignore:Item 'summary' on TypedDict"
)


@pytest.fixture(params=["native", "litellm"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


def test_each_choice_of_a_stream_ends_for_its_own_reason(transport: str):
    answer = events(delta(0, content="a"), delta(1, content="b"), delta(1, finish="length"), delta(0, finish="stop"))
    with RawProvider(answer) as raw:
        provider = Provider(transport, raw.base_url)
        got = provider.stream("hi", n=2)
    assert (got.finish(0) != got.finish(1)) is not litellm_cannot(provider, "own_finish_reasons")
    if transport == "native":
        assert (got.finish(0), got.finish(1)) == ("stop", "length")


def test_an_event_may_have_several_lines_and_no_blank_one_at_its_end():
    first = b'data: {"choices":\ndata: [{"index":0,"delta":{"content":"a"}}]}\n\n'
    last = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    with RawProvider(chunked(first, last)) as raw:
        got = Provider("native", raw.base_url).stream("hi")
    assert (got.error, got.text(), got.finish()) == (None, "a", "stop")


def test_half_a_character_is_replaced_and_breaks_nothing(transport: str):
    """A provider that cuts its texts by UTF-16 units sends an emoji in two halves."""
    with RawProvider(events(delta(content="a\ud83d"), delta(content="\ude42b"), delta(finish="stop")), whole(said("a\ud83d"))) as raw:
        provider = Provider(transport, raw.base_url)
        got = provider.stream("hi")
        assert (got.error, got.text(), got.finish()) == (None, "a??b", "stop")
        assert provider.complete("hi").choices[0]["message"]["content"] == "a?"


def test_numbers_that_nobody_can_write_break_nothing(transport: str):
    """Beside half a character, by which the native transport falls back on a reader that knows such numbers."""
    told = {"content": [{"token": "a\ud83d", "logprob": 10**30, "bytes": [97, 10**30], "top_logprobs": []}]}
    answer, chunk = said("a"), delta(content="a", finish="stop")
    for body in (answer, chunk):
        body["choices"][0] |= {"logprobs": told, "index": 10**30}
    with RawProvider(whole(answer), events(chunk)) as raw:
        provider = Provider(transport, raw.base_url)
        orjson.dumps(provider.complete("hi").choices)
        got = provider.stream("hi")
        orjson.dumps([one.choices for one in got.chunks])
        assert got.error is None or type(got.error) is Failed


def test_a_connection_that_breaks_after_the_end_breaks_nothing():
    broken = events(delta(content="a"), delta(finish="stop")).removesuffix(b"0\r\n\r\n")

    def answer(connection: socket.socket) -> None:
        connection.sendall(broken)
        connection.shutdown(socket.SHUT_RDWR)

    with RawProvider(answer) as raw:
        got = Provider("native", raw.base_url).stream("hi")
    assert (got.error, got.text(), got.finish()) == (None, "a", "stop")


def test_a_byte_order_mark_hides_no_event():
    with RawProvider(chunked(b'\xef\xbb\xbfdata: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n')) as raw:
        assert Provider("native", raw.base_url).stream("hi").text() == "a"


def test_what_follows_the_end_is_not_read():
    answer = chunked(
        b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\ndata: {"error":"x"}\n\n'
    )
    with RawProvider(answer) as raw:
        assert Provider("native", raw.base_url).stream("hi").error is None


def test_a_tool_call_is_named_once_however_often_the_provider_does():
    def piece(arguments: str) -> dict[str, Any]:
        return delta(tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}}])

    with RawProvider(events(piece('{"a"'), piece(": 1}"), delta(finish="tool_calls"))) as raw:
        got = Provider("native", raw.base_url).stream("hi")
    assert [choice["delta"] for choice in got.choices()] == [
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
        {},
    ]


def test_a_tool_call_without_an_id_gets_one_and_only_functions_go_through():
    calls = [
        {"type": "custom", "id": "c", "custom": {"name": "shell", "input": "ls"}},
        {"function": {"name": "f", "arguments": {"a": 1}}},
    ]
    with RawProvider(whole(said("", tool_calls=calls))) as raw:
        (call,) = Provider("native", raw.base_url).complete("hi").choices[0]["message"]["tool_calls"]
    assert call["id"].startswith("call_")
    assert (call["type"], call["function"]) == ("function", {"name": "f", "arguments": '{"a":1}'})


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"error": "overloaded"}, Failed),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "busy", "http_code": "529"}}, Overloaded),
        ({"error": {"code": "data_inspection_failed", "message": "no"}}, Unsafe),
        ({"error": {"code": 429, "message": "slow"}}, Overloaded),
        ({"choices": [], "base_resp": {"status_code": 1027, "status_msg": "output sensitive"}}, Unsafe),
        ({"choices": [{"index": 0, "delta": {}, "finish_reason": "insufficient_system_resource"}]}, Failed),
        ({"choices": [{"index": 0, "delta": {"content": 7}}]}, Failed),
        ({"choices": "none"}, Failed),
        ([], Failed),
    ],
)
def test_an_event_that_breaks_the_stream_off(event: Any, kind: type[UpstreamError]):
    with RawProvider(events(delta(content="a"), event)) as raw:
        got = Provider("native", raw.base_url).stream("hi")
    assert (got.text(), type(got.error)) == ("a", kind)


def test_minimaxs_base_resp_of_success_is_no_refusal():
    with RawProvider(whole({**said("hi"), "base_resp": {"status_code": 0, "status_msg": "success"}})) as raw:
        assert Provider("native", raw.base_url).complete("hi").choices[0]["message"]["content"] == "hi"


def test_a_count_written_into_the_cache_is_told_whatever_the_provider_calls_it():
    for details in ({"cache_write_tokens": 3}, {"cache_creation_input_tokens": 3}):
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": None, **details}}
        with RawProvider(whole({**said("hi"), "usage": usage})) as raw:
            counted = Provider("native", raw.base_url).complete("hi").usage
        assert counted == {"prompt_tokens": 5, "completion_tokens": 2, "cache_write_tokens": 3}
