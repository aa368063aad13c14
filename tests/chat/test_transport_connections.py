"""The connections of both transports, against a provider that sends exactly these bytes: once, never twice, bounded, closed."""

from __future__ import annotations

import asyncio
import socket

import pytest

from chat.upstream import MAX_ANSWER_BYTES, Chunk
from chat.upstream.errors import Failed, Misconfigured, TimedOut
from chat.upstream.events import MAX_EVENT_BYTES
from tests.chat.raw_provider import RawProvider, chunked, delta, events, said, whole
from tests.chat.upstreams import Provider, run

# LiteLLM's, and Pydantic's about the odd answers that it is given here
pytestmark = pytest.mark.filterwarnings(
    "ignore:Accessing the 'model_", "ignore:Pydantic serializer warnings", "ignore:Item 'summary' on TypedDict"
)
HI = whole(said("hi"))


@pytest.fixture(params=["native", "litellm"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


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


def test_comments_are_no_part_of_an_event_however_many_come():
    """A provider that thinks for long keeps its stream alive by them."""
    pings = b": ping\n\n" * (1 << 17)
    parts = [pings] * (MAX_EVENT_BYTES // len(pings) + 1)
    with RawProvider(chunked(*parts, b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n')) as raw:
        got = Provider("native", raw.base_url).stream("hi")
    assert (got.error, got.text(), got.finish()) == (None, "a", "stop")
