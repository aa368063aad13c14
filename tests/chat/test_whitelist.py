"""Whatever a provider sends, the whitelist makes of it an answer of ours or a failure: nothing else, and nothing of theirs."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as some

from chat.answers import TokenLogprob
from chat.upstream.errors import Failed, UpstreamError
from chat.upstream.events import Events
from chat.upstream.native import parsed
from chat.upstream.whitelist import StreamWhitelist, answer, logprobs
from tests.chat.raw_provider import delta, said

FINISH_REASONS = {None, "stop", "length", "tool_calls", "content_filter"}

anything = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**63), 2**63 - 1) | some.floats(allow_nan=False) | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
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
    copy = orjson.loads(orjson.dumps(value))
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


@given(broken(said("a", reasoning_details=[{"text": "b"}], tool_calls=[TOOL])))
def test_an_answer_of_any_shape_is_rebuilt_or_failed(body: Any):
    try:
        whole = answer(parsed(orjson.dumps(body)))
    except UpstreamError:
        return
    for choice in whole.choices:
        assert set(choice) == {"index", "message", "logprobs", "finish_reason"}
        assert set(choice["message"]) <= {"role", "content", "refusal", "reasoning_content", "tool_calls"}
        assert choice["finish_reason"] in FINISH_REASONS - {None}
        assert all(isinstance(text, str) for text in texts(choice["message"]))


@given(some.lists(broken({**delta(content="a", reasoning="b", tool_calls=[TOOL]), "usage": {"prompt_tokens": 1}}), max_size=3))
def test_a_chunk_of_any_shape_is_rebuilt_or_failed(bodies: list[Any]):
    whitelist = StreamWhitelist()
    for body in bodies:
        try:
            chunk = whitelist.chunk(parsed(orjson.dumps(body)))
        except UpstreamError:
            continue
        for choice in chunk.choices if chunk else ():
            assert set(choice) <= {"index", "delta", "logprobs", "finish_reason"}
            assert set(choice["delta"]) <= {"content", "refusal", "reasoning_content", "tool_calls"}
            assert choice["finish_reason"] in FINISH_REASONS
            assert all(isinstance(text, str) for text in texts(choice["delta"]))


@given(broken({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": PROBABLE}]}))
def test_log_probabilities_of_any_shape_are_rebuilt_or_failed(body: Any):
    try:
        chunk = StreamWhitelist().chunk(parsed(orjson.dumps(body)))
    except UpstreamError:
        return
    for choice in chunk.choices if chunk else ():
        for token in (choice.get("logprobs") or {}).get("content") or ():
            TokenLogprob.model_validate(token, strict=True)


def test_a_token_without_a_text_or_a_likelihood_is_left_out():
    likely = {"token": "a", "logprob": -1, "bytes": None}
    lacking = [{**likely, "token": None}, {"token": "b"}, {"token": "c", "logprob": None}]
    sent = {"content": [*lacking, {**likely, "top_logprobs": [*lacking, likely]}], "refusal": lacking}
    assert logprobs(sent) == {"content": [{**likely, "top_logprobs": [likely]}], "refusal": None}
    assert logprobs({"content": lacking}) is None


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
