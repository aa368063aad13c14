"""Both transports, over real HTTP: what one can do the other can, but for the table `LITELLM_CANNOT` in upstreams.py."""

from __future__ import annotations

from typing import Any

import pytest

from chat.upstream.errors import Failed
from tests.chat.upstreams import Provider, litellm_cannot

# LiteLLM's, and Pydantic's about the odd answers that it is given here
pytestmark = pytest.mark.filterwarnings(
    "ignore:Accessing the 'model_", "ignore:Pydantic serializer warnings", "ignore:Item 'summary' on TypedDict"
)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


@pytest.fixture(params=["native", "litellm"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def provider(transport: str, sandbox: str) -> Provider:
    return Provider(transport, f"{sandbox}/chat/v1", sandbox=True)


# Answers


def test_an_answer_is_openais_and_nothing_else(provider: Provider):
    answer = provider.complete("[[chunks=3 echo_model=secret usage.cost=0.5]]")
    assert answer.choices == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "0,1,2,", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer.usage["completion_tokens"] == 6
    assert answer.usage["prompt_tokens"] > 6
    assert set(answer.usage) <= {"prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"}


@pytest.mark.parametrize("wire", [None, "crlf", "split", "merged", "no_space", "noisy"])
def test_a_stream_is_read_whichever_way_it_is_written(provider: Provider, wire: str | None):
    got = provider.stream("[[chunks=40" + (f" wire={wire}" if wire else "") + "]]")
    assert got.error is None
    assert [choice["delta"] for choice in got.choices()[:-1]] == [{"content": f"{number},"} for number in range(40)]
    assert (got.choices()[-1]["delta"], got.finish()) == ({}, "stop")
    assert got.usage is not None and got.usage["completion_tokens"] == 80


def test_nothing_of_the_providers_own_is_in_a_chunk(provider: Provider):
    got = provider.stream("[[chunks=2 echo_model=secret usage.cost=0.5]]", logprobs=True)
    for chunk in got.chunks:
        for choice in chunk.choices:
            assert set(choice) <= {"index", "delta", "finish_reason", "logprobs"}
            assert "role" not in choice["delta"]
    assert "cost" not in (got.usage or {})


def test_a_text_beyond_ascii_comes_through_in_pieces(provider: Provider):
    said = "Grüße, 世界 — 🙂 \u2028 ok"
    assert provider.stream(f'[[answer="{said}" wire=split]]').text() == said
    assert provider.complete(f'[[answer="{said}"]]').choices[0]["message"]["content"] == said


def test_thinking_comes_apart_from_the_answer(provider: Provider):
    message = provider.complete('[[reasoning="let me see" answer="so it is"]]').choices[0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("let me see", "so it is")
    got = provider.stream('[[reasoning="let me see" answer="so it is"]]')
    assert (got.text("reasoning_content"), got.text()) == ("let me see", "so it is")
    assert got.usage is not None and got.usage["reasoning_tokens"] == 3


def test_minimax_is_asked_to_split_thinking_off(transport: str, sandbox: str):
    """Over the wire of MiniMax: `reasoning_split` goes there, `reasoning_details` comes back."""
    provider = Provider(transport, f"{sandbox}/chat/v1", model="MiniMax-M2.7", provider="minimax")
    text = '[[reasoning="let me see" answer="so it is"]]'
    message = provider.complete(text).choices[0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("let me see", "so it is")
    got = provider.stream(text)
    thinking = "" if litellm_cannot(provider, "streamed_details") else "let me see"
    assert (got.text("reasoning_content"), got.text()) == (thinking, "so it is")


def test_a_refusal_comes_through(provider: Provider):
    message = provider.complete('[[refusal="I will not"]]').choices[0]["message"]
    assert (message["refusal"], message["content"]) == ("I will not", None)
    got = provider.stream('[[refusal="I will not"]]')
    assert got.text("refusal") == ("" if litellm_cannot(provider, "streamed_refusal") else "I will not")
    assert got.finish() == "stop"


def test_a_tool_call_comes_whole_and_in_pieces(provider: Provider):
    fields: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required"}
    (choice,) = provider.complete("What is the weather in Riga?", **fields).choices
    assert choice["finish_reason"] == "tool_calls"
    (whole,) = choice["message"]["tool_calls"]
    assert set(whole) == {"id", "type", "function"}

    got = provider.stream("What is the weather in Riga?", **fields)
    pieces = [piece for choice in got.choices() for piece in choice["delta"].get("tool_calls", ())]
    assert len(pieces) > 2
    assert {"id": pieces[0]["id"], "type": pieces[0]["type"]} == {"id": whole["id"], "type": "function"}
    assert pieces[0]["function"]["name"] == whole["function"]["name"] == "weather"
    assert "".join(piece["function"]["arguments"] for piece in pieces) == whole["function"]["arguments"]
    assert all(set(piece) == {"index", "function"} and set(piece["function"]) == {"arguments"} for piece in pieces[1:])
    assert got.finish() == "tool_calls"


def test_several_choices_come_side_by_side(provider: Provider):
    whole = [choice["message"]["content"] for choice in provider.complete("Tell me a story.", n=3).choices]
    got = provider.stream("Tell me a story.", n=3)
    assert [got.text(index=index) for index in range(3)] == whole
    assert [got.finish(index) for index in range(3)] == ["stop"] * 3


def test_log_probabilities_come_with_their_tokens(provider: Provider):
    probable = provider.complete("[[chunks=2]]", logprobs=True, top_logprobs=2).choices[0]["logprobs"]
    assert [set(token) for token in probable["content"]] == [{"token", "logprob", "bytes", "top_logprobs"}] * 4
    assert [len(token["top_logprobs"]) for token in probable["content"]] == [2] * 4
    got = provider.stream("[[chunks=2]]", logprobs=True, top_logprobs=2)
    streamed = [token for choice in got.choices() if choice.get("logprobs") for token in choice["logprobs"]["content"]]
    assert streamed == probable["content"]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("eos", "stop"),
        ("max_tokens", "length"),
        ("made_up", "stop"),
    ],
)
def test_a_finish_reason_is_one_of_openais_four(provider: Provider, said: str, meant: str):
    assert provider.complete(f"[[chunks=1 finish_reason={said}]]").choices[0]["finish_reason"] == meant
    assert provider.stream(f"[[chunks=1 finish_reason={said}]]").finish() == meant


def test_the_same_word_said_often_is_no_fault(provider: Provider):
    got = provider.stream("[[tokens=300]]")
    assert (got.error, len(got.choices())) == (None, 301)


# Ends that are none


def test_an_answer_without_a_finish_reason_failed(provider: Provider):
    assert type(provider.error("[[chunks=3 finish_reason=none]]", streaming=False)) is Failed


def test_a_stream_without_a_finish_reason_ends_without_one(provider: Provider):
    got = provider.stream("[[chunks=3 finish_reason=none]]")
    assert (got.error, got.text(), got.finish()) == (None, "0,1,2,", None)


@pytest.mark.parametrize("place", ["headers", "role", "1", "3", "finish", "usage"])
@pytest.mark.parametrize("how", ["clean", "abrupt", "reset", "error", "garbage"])
def test_a_stream_that_is_cut_has_no_invented_end(provider: Provider, how: str, place: str):
    """Whatever the provider did not send is not in the stream: neither an end nor a count."""
    got = provider.stream(f"[[chunks=5 cut={how} cut_at={place}]]")
    sent = {"headers": 0, "role": 0, "1": 1, "3": 3, "finish": 5, "usage": 5}[place]
    # A reset may overtake what was sent before it
    assert got.text() == "0,1,2,3,4,"[: 2 * sent] or how == "reset"
    if place not in ("finish", "usage"):
        assert (got.finish(), got.usage) == (None, None)
    else:
        assert got.finish() == "stop" or how == "reset"
    if place not in ("headers", "finish", "usage"):
        assert type(got.error) is (type(None) if how == "clean" else Failed)


@pytest.mark.parametrize("how", ["clean", "abrupt", "reset", "error", "garbage"])
def test_an_answer_that_is_cut_failed(provider: Provider, how: str):
    for place in ("start", "1"):
        assert type(provider.error(f"[[chunks=5 cut={how} cut_at={place}]]", streaming=False)) is Failed


# Usage


@pytest.mark.parametrize("usage", ["=missing", "=null", "=list"])
def test_usage_that_was_not_sent_is_not_made_up(provider: Provider, usage: str):
    if usage == "=list" and litellm_cannot(provider, "odd_counts"):
        assert type(provider.error("[[chunks=3 usage=list]]", streaming=False)) is Failed
        return
    assert provider.complete(f"[[chunks=3 usage{usage}]]").usage.get("completion_tokens") is None
    assert (provider.stream(f"[[chunks=3 usage{usage}]]").usage or {}).get("completion_tokens") is None


@pytest.mark.parametrize("place", ["extra", "finish", "every"])
def test_usage_is_found_wherever_it_rides(provider: Provider, place: str):
    got = provider.stream(f"[[chunks=3 usage_at={place}]]")
    assert got.usage is not None and got.usage["completion_tokens"] == 6
    assert got.finish() == "stop"


@pytest.mark.parametrize(
    ("usage", "count"),
    [("=negative", -5), ("=huge", 10**15), (".completion_tokens=null", None), ("=float", 12.5), ("=string", "12")],
)
def test_a_count_stays_what_was_sent(provider: Provider, usage: str, count: Any):
    text = f"[[chunks=3 usage{usage}]]"
    if isinstance(count, float | str) and litellm_cannot(provider, "odd_counts"):
        assert provider.error(text, streaming=False) or provider.complete(text).usage["completion_tokens"] != 6
        return
    assert provider.complete(text).usage["completion_tokens"] == count
    got = provider.stream(text).usage
    assert got is not None and got["completion_tokens"] == count


def test_every_class_of_tokens_is_told(provider: Provider):
    parts = "prompt_tokens_details.cached_tokens=3 usage.completion_tokens_details.reasoning_tokens=2"
    usage = provider.complete(f"[[chunks=3 usage.{parts}]]").usage
    assert (usage["cached_tokens"], usage["reasoning_tokens"]) == (3, 2)


def test_details_that_were_not_sent_are_no_counts(provider: Provider):
    usage = provider.complete("[[chunks=3 usage.prompt_tokens_details=null usage.completion_tokens_details=null]]").usage
    assert ("cached_tokens" in usage) is litellm_cannot(provider, "missing_details")
