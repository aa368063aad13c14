"""Whatever a provider sends, the whitelist makes of it an answer of ours or a failure: nothing else, and nothing of theirs."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from chat.answers import Choice, ChunkChoice, TokenLogprob
from chat.upstream.errors import Failed, UpstreamError
from chat.upstream.events import Events
from chat.upstream.native import parsed
from chat.upstream.whitelist import StreamWhitelist, answer, logprobs
from tests.answers import assert_shape
from tests.chat.raw_provider import delta, said

FINISH_REASONS = {None, "stop", "length", "tool_calls", "content_filter"}

# With NUL, half characters, integers of a thousand bits, NaN and Infinity
text = some.text(some.characters(), max_size=5)
anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.just(10**300) | some.just(10**400) | some.floats() | text,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
TOOL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PROBABLE = {"content": [{"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []}]}


def places(value: Any) -> list[tuple[Any, ...]]:
    """The paths of everything in `value`."""
    found: list[tuple[Any, ...]] = [()]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        found += [(key, *path) for path in places(child)]
    return found


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    """`value` with `to` at `path`."""
    if not path:
        return to
    copy = deepcopy(value)
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return copy


@some.composite
def broken(draw: some.DrawFn, whole: dict[str, Any]) -> Any:
    """`whole` with something else in up to three places."""
    value: Any = whole
    for _ in range(draw(some.integers(1, 3))):
        value = changed(value, draw(some.sampled_from(places(value))), draw(anything))
    return value


def texts(message: dict[str, Any]) -> list[Any]:
    calls = [call["function"].get(name, "") for call in message.get("tool_calls", ()) for name in ("name", "arguments")]
    return [message.get(name) or "" for name in ("content", "refusal", "reasoning_content")] + calls


def strings(value: Any) -> list[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value] if isinstance(value, str) else [found for child in inner for found in strings(child)]


def assert_sendable(choice: dict[str, Any], shape: type[Choice] | type[ChunkChoice]) -> None:
    """It can be written, no text of it holds what no request may, and it fits the answer's shape."""
    assert orjson.loads(orjson.dumps(choice)) == choice
    assert not any("\0" in told for told in strings(choice))
    assert_shape(choice, shape)


def sent(body: Any) -> bytes:
    """`body` as a provider could write it: Python's JSON has half characters, NaN and integers of any length."""
    return json.dumps(body).encode()


# The name of half a character makes the whole body one that only Python's JSON reads
ODD_ID = {"id": "\ud83d"}


@given(broken({**said("a", reasoning_details=[{"text": "b"}], tool_calls=[TOOL]), **ODD_ID}))
def test_an_answer_of_any_shape_is_rebuilt_or_failed(body: Any):
    try:
        whole = answer(parsed(sent(body)))
    except UpstreamError:
        return
    for choice in whole.choices:
        assert_sendable(choice, Choice)
        assert set(choice) == {"index", "message", "logprobs", "finish_reason"}
        assert set(choice["message"]) <= {"role", "content", "refusal", "reasoning_content", "tool_calls"}
        assert choice["finish_reason"] in FINISH_REASONS - {None}
        assert all(isinstance(text, str) for text in texts(choice["message"]))


@given(some.lists(broken({**delta(content="a", reasoning="b", tool_calls=[TOOL]), **ODD_ID, "usage": {"prompt_tokens": 1}}), max_size=3))
def test_a_chunk_of_any_shape_is_rebuilt_or_failed(bodies: list[Any]):
    whitelist = StreamWhitelist()
    for body in bodies:
        try:
            chunk = whitelist.chunk(parsed(sent(body)))
        except UpstreamError:
            continue
        for choice in chunk.choices if chunk else ():
            assert_sendable(choice, ChunkChoice)
            assert set(choice) <= {"index", "delta", "logprobs", "finish_reason"}
            assert set(choice["delta"]) <= {"content", "refusal", "reasoning_content", "tool_calls"}
            assert choice["finish_reason"] in FINISH_REASONS
            assert all(isinstance(text, str) for text in texts(choice["delta"]))


@given(broken({**ODD_ID, "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": PROBABLE}]}))
def test_log_probabilities_of_any_shape_are_rebuilt_or_failed(body: Any):
    try:
        chunk = StreamWhitelist().chunk(parsed(sent(body)))
    except UpstreamError:
        return
    for choice in chunk.choices if chunk else ():
        assert_sendable(choice, ChunkChoice)
        for token in (choice.get("logprobs") or {}).get("content") or ():
            TokenLogprob.model_validate(token, strict=True)


def test_a_token_without_a_text_or_a_likelihood_is_left_out():
    likely = {"token": "a", "logprob": -1, "bytes": None}
    lacking = [{**likely, "token": None}, {"token": "b"}, {"token": "c", "logprob": None}]
    sent = {"content": [*lacking, {**likely, "top_logprobs": [*lacking, likely]}], "refusal": lacking}
    assert logprobs(sent) == {"content": [{**likely, "top_logprobs": [likely]}], "refusal": None}
    assert logprobs({"content": lacking}) is None


def nested(levels: int) -> Any:
    inner: Any = 1
    for _ in range(levels):
        inner = {"a": inner}
    return inner


@pytest.mark.parametrize(
    "arguments", [nested(300), {"a": "\ud83d"}, {"\ud83d": 1}, {"a": 10**30}], ids=["deep", "half", "half a name", "long"]
)
def test_arguments_that_cannot_be_written_failed(arguments: Any):
    called = {**TOOL, "function": {"name": "f", "arguments": arguments}}
    with pytest.raises(Failed):
        answer(said("a", tool_calls=[called]))
    with pytest.raises(Failed):
        StreamWhitelist().chunk(delta(tool_calls=[called]))


@pytest.mark.parametrize("refusal", [b'{"error":{"code":%b}}', b'{"base_resp":{"status_code":1,"status_msg":%b}}'])
def test_a_refusal_of_a_thousand_levels_failed(refusal: bytes):
    with pytest.raises(Failed):
        parsed(refusal % (b'{"a":' * 1000 + b"1" + b"}" * 1000))


def test_what_a_client_could_not_send_back_is_left_out():
    """A request may hold no NUL (contract/strict_json.py); an answer is part of the next one."""
    call = {**TOOL, "id": "c\0", "function": {"name": "f\0", "arguments": "{\0}"}}
    (whole,) = answer(said("a\0b", refusal="\0no", reasoning_content="h\0m", tool_calls=[call])).choices
    assert whole["message"] == {
        "role": "assistant",
        "content": "ab",
        "refusal": "no",
        "reasoning_content": "hm",
        "tool_calls": [{**{name: TOOL[name] for name in ("id", "type")}, "function": {"name": "f", "arguments": "{}"}}],
    }
    chunk = StreamWhitelist().chunk(delta(content="\0a", reasoning="b\0", tool_calls=[call]))
    assert chunk is not None
    assert chunk.choices[0]["delta"] == {"content": "a", "reasoning_content": "b", "tool_calls": [TOOL]}


def test_a_log_probability_that_is_no_number_is_an_unlikely_one():
    """The value that OpenAI's reference has for one that can't be told."""
    for odd in (True, float("nan"), float("-inf"), 10**400, "-1"):
        told = {"content": [{"token": "a", "logprob": odd, "bytes": [97, 2**70]}]}
        (whole,) = answer({"choices": [{**said("a")["choices"][0], "logprobs": told}]}).choices
        assert whole["logprobs"]["content"] == [{"token": "a", "logprob": -9999.0, "bytes": None, "top_logprobs": []}]


def test_an_index_beyond_31_bits_is_the_position():
    for odd in (-1, 2**31, 10**30, True, "0"):
        chunk = StreamWhitelist().chunk({"choices": [{"index": odd, "delta": {"content": "a", "tool_calls": [{**TOOL, "index": odd}]}}]})
        assert chunk is not None
        assert (chunk.choices[0]["index"], chunk.choices[0]["delta"]["tool_calls"][0]["index"]) == (0, 0)


LINES = some.sampled_from([b"data: one", b"data:two", b"data", b": comment", b"event: x", b"id: 7", b"", b"", b"retry: 1"])


@given(some.lists(some.tuples(LINES, some.sampled_from([b"\n", b"\r\n"]))), some.lists(some.integers(1, 9)))
@example([(b"data: one", b"\r\n"), (b"", b"\r\n")], [10])
def test_events_are_the_same_however_their_bytes_are_split(lines: list[tuple[bytes, bytes]], sizes: list[int]):
    stream = b"".join(line + end for line, end in lines)
    once = Events()
    whole = once.feed(stream) + once.end()
    pieces, events, rest = [], Events(), stream
    for size in sizes:
        piece, rest = rest[:size], rest[size:]
        pieces += events.feed(piece)
    pieces += events.feed(rest) + events.end()
    assert pieces == whole


def test_a_finish_reason_that_is_no_word_failed():
    for odd in (7, [], {"a": 1}, True):
        try:
            StreamWhitelist().chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": odd}]})
        except Failed:
            continue
        raise AssertionError(f"{odd} was taken")
