"""Both transports against a provider that sends exactly these bytes: connections, odd wire forms, and what goes up."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import orjson
import pytest

from chat.upstream import Chunk
from chat.upstream.errors import Failed, Misconfigured, Overloaded, TimedOut, Unsafe, UpstreamError
from chat.upstream.events import MAX_EVENT_BYTES
from chat.upstream.native import MAX_ANSWER_BYTES
from tests.chat.raw_provider import RawProvider, chunked, delta, events, said, whole
from tests.chat.upstreams import Provider, litellm_cannot, run

# LiteLLM's, and Pydantic's about the odd answers that it is given here
pytestmark = pytest.mark.filterwarnings(
    "ignore:Accessing the 'model_", "ignore:Pydantic serializer warnings", "ignore:Item 'summary' on TypedDict"
)
HI = whole(said("hi"))


@pytest.fixture(params=["native", "litellm"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


# Connections


@pytest.mark.parametrize("streaming", [False, True], ids=["sync", "stream"])
def test_what_may_have_been_answered_is_never_sent_twice(transport: str, streaming: bool):
    """The provider reads a request and hangs up: on a new connection, and on one that it had kept."""
    with RawProvider(b"", HI) as raw:
        assert type(Provider(transport, raw.base_url).error("hi", streaming=streaming)) is Failed
        assert len(raw.requests) == 1
    with RawProvider(HI, b"", HI) as raw:
        provider = Provider(transport, raw.base_url)
        provider.complete("hi")
        assert type(provider.error("hi", streaming=streaming)) is Failed
        assert len(raw.requests) == 2


@pytest.mark.parametrize("status", ["500 Oops", "429 Slow down", "503 Busy", "408 Late"])
def test_a_refusal_is_not_asked_again(transport: str, status: str):
    with RawProvider(whole({"error": {"message": "no"}}, status=status, headers=["Retry-After: 0"]), HI) as raw:
        assert Provider(transport, raw.base_url).error("hi", streaming=False) is not None
        assert len(raw.requests) == 1


def test_connections_are_used_again():
    """Also after a stream, whose body ends a little after its `[DONE]`."""
    with RawProvider(HI, events(delta(content="a"), delta(finish="stop")), HI) as raw:
        provider = Provider("native", raw.base_url)
        provider.complete("hi")
        assert provider.stream("hi").finish() == "stop"
        provider.complete("hi")
        assert [request.connection for request in raw.requests] == [1, 1, 1]


def test_a_connection_that_the_provider_has_closed_is_not_used():
    def answer_and_close(connection: socket.socket) -> None:
        connection.sendall(HI)
        connection.shutdown(socket.SHUT_RDWR)

    with RawProvider(answer_and_close, HI) as raw:
        provider = Provider("native", raw.base_url)
        provider.complete("hi")
        assert raw.left.wait(10)
        # the loop rests between two calls here: it has to run to hear of it, as it always does in a web process
        run(asyncio.sleep(0.2))
        assert provider.complete("hi").choices[0]["message"]["content"] == "hi"
        assert [request.connection for request in raw.requests] == [1, 2]


def test_leaving_a_stream_closes_the_providers_connection(transport: str):
    """`aclose` after the first chunk: the provider sees the end of the connection while it is still writing."""

    def begin(connection: socket.socket) -> None:
        connection.sendall(chunked(b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n').removesuffix(b"0\r\n\r\n"))

    async def leave() -> Chunk:
        chunks = provider.upstream.stream(provider.call("hi"))
        first = await anext(chunks)
        await chunks.aclose()
        return first

    with RawProvider(begin) as raw:
        provider = Provider(transport, raw.base_url)
        assert run(leave()).choices[0]["delta"] == {"content": "a"}
        assert raw.left.wait(10)


def test_a_call_that_is_given_up_closes_the_providers_connection():
    """Our time limits are chat's: they cancel the call."""

    async def give_up(streaming: bool) -> None:
        call = provider.call("hi")
        work = anext(provider.upstream.stream(call)) if streaming else provider.upstream.complete(call)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await work

    for streaming in (False, True):
        with RawProvider(lambda connection: None) as raw:
            provider = Provider("native", raw.base_url)
            run(give_up(streaming))
            assert raw.left.wait(10)


def test_a_provider_that_is_not_there_failed(transport: str):
    assert type(Provider(transport, "http://127.0.0.1:9/v1").error("hi", streaming=False)) is Failed


def test_a_provider_that_takes_no_connection_is_given_up():
    """Its queue of connections is full, so that ours is never answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(address)
            waiting.append(one)
        error = Provider("native", f"http://127.0.0.1:{address[1]}/v1").error("hi", streaming=False, connect_seconds=0.2)
        for one in waiting:
            one.close()
    assert type(error) is TimedOut


def test_a_redirect_is_not_followed():
    with RawProvider(HI) as elsewhere, RawProvider(whole({}, status="307 Go", headers=[f"Location: {elsewhere.base_url}"])) as raw:
        assert type(Provider("native", raw.base_url).error("hi", streaming=False)) is Misconfigured
        assert elsewhere.requests == []


def test_neither_proxies_nor_cookies_come_from_around(monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with RawProvider(whole(said("hi"), headers=["Set-Cookie: a=b"]), HI) as raw:
        provider = Provider("native", raw.base_url)
        provider.complete("hi")
        provider.complete("hi")
        assert "cookie:" not in raw.requests[1].head.lower()
        assert "accept-encoding: identity" in raw.requests[1].head.lower()


def test_an_answer_without_end_is_not_taken_in():
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        block = b" " * (1 << 20)
        try:
            for _ in range(MAX_ANSWER_BYTES // len(block) + 20):
                connection.sendall(block)
        except OSError:
            return

    with RawProvider(flood) as raw:
        assert type(Provider("native", raw.base_url).error("hi", streaming=False)) is Failed


def test_an_event_without_end_is_not_taken_in():
    first = b"data: " + b"a" * (1 << 16)
    parts = [first] + [b"a" * (1 << 20)] * (MAX_EVENT_BYTES // (1 << 20) + 1)
    with RawProvider(chunked(*parts)) as raw:
        assert type(Provider("native", raw.base_url).error("hi", streaming=True)) is Failed


# What goes up


def sent(transport: str, *, provider: str = "openai", model: str = "m", sandbox: bool = False, **fields: Any) -> dict[str, Any]:
    """The body that a provider gets."""
    with RawProvider(HI) as raw:
        Provider(transport, raw.base_url, provider=provider, model=model, sandbox=sandbox).complete("hi", **fields)
        return raw.requests[0].body


@pytest.mark.parametrize(
    ("provider", "field"), [("openai", "max_completion_tokens"), ("minimax", "max_tokens"), ("dashscope", "max_tokens")]
)
def test_the_limit_goes_by_the_name_that_the_provider_knows(provider: str, field: str):
    body = sent("native", provider=provider, limit=77)
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        field: 77,
        **({"reasoning_split": True} if provider == "minimax" else {}),
    }


def test_a_stream_asks_for_its_usage(transport: str):
    with RawProvider(events(delta(content="a", finish="stop"))) as raw:
        Provider(transport, raw.base_url).stream("hi")
        assert raw.requests[0].body["stream"] is True
        assert raw.requests[0].body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("provider", ["openai", "minimax", "dashscope"])
def test_options_go_beside_the_fields_and_never_over_them(transport: str, provider: str):
    ours = {"model": "other", "messages": [], "max_tokens": 9, "max_completion_tokens": 9, "stream": True, "temperature": 2}
    body = sent(transport, provider=provider, options={"top_k": 5, "thinking_budget": 100, **ours}, temperature=0.5, limit=77)
    assert (body["top_k"], body["thinking_budget"]) == (5, 100)
    assert (body["model"], body["temperature"], body.get("stream") or False) == ("m", 0.5, False)
    assert body["messages"][0]["content"] == "hi"
    assert {body[name] for name in ("max_tokens", "max_completion_tokens") if name in body} == {77}


def test_the_callers_digests_go_where_the_provider_has_a_field_for_them(transport: str):
    body = sent(transport, end_user="digest-a", cache_key="digest-b", sandbox=True)
    assert (body["safety_identifier"], body["prompt_cache_key"]) == ("digest-a", "digest-b")
    body = sent(transport, end_user="digest-a", cache_key="digest-b", provider="minimax")
    assert "digest" not in str(body)


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
        body = sent("native", provider=provider, messages=messages)
        assert body["messages"][0] == {"role": role, "content": "Be brief."}
        assert body["messages"][2] == {"role": "assistant", "content": "yes?", **thinking}
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


# Odd forms


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
