"""A stream joined into whole choices, and whole choices as a stream again: what was said stays the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chat.answers import Choice, ChunkChoice
from chat.envelope import beginning, ending, part
from chat.transcript import Transcript, parts

YES: dict[str, Any] = {"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115], "top_logprobs": []}
NO: dict[str, Any] = {"token": "No", "logprob": -2.5, "bytes": [78, 111], "top_logprobs": []}


def joined(*given: dict[str, Any]) -> list[dict[str, Any]]:
    transcript = Transcript()
    for choice in given:
        transcript.take(choice)
    return transcript.choices()


def said(message: dict[str, Any], *, index: int = 0, reason: str = "stop", logprobs: Any = None) -> dict[str, Any]:
    defaults = {"role": "assistant", "content": None, "refusal": None}
    return {"index": index, "message": {**defaults, **message}, "logprobs": logprobs, "finish_reason": reason}


def test_deltas_become_one_message():
    given = [beginning(0), part(0, {"content": "Hello "}), part(0, {"content": "there"}), ending(0, "stop")]
    assert joined(*given) == [said({"content": "Hello there"})]


def test_thinking_and_refusing_are_kept_apart():
    given = [part(0, {"reasoning_content": "Hm"}), part(0, {"reasoning_content": "m."}), part(0, {"refusal": "No."}), ending(0, "stop")]
    assert joined(*given) == [said({"refusal": "No.", "reasoning_content": "Hmm."})]


def test_pieces_of_tool_calls_go_to_their_call():
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
    second = {"index": 1, "id": "call_2", "type": "function", "function": {"name": "tell", "arguments": '{"a'}}
    given = [
        part(0, {"tool_calls": [first, second]}),
        part(0, {"tool_calls": [{"index": 1, "function": {"arguments": '":1}'}}]}),
        part(0, {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        ending(0, "tool_calls"),
    ]
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
        {"id": "call_2", "type": "function", "function": {"name": "tell", "arguments": '{"a":1}'}},
    ]
    assert joined(*given) == [said({"tool_calls": calls}, reason="tool_calls")]


def test_log_probabilities_are_joined():
    given = [
        part(0, {"content": "Yes"}, logprobs={"content": [YES], "refusal": None}),
        part(0, {"content": "No"}, logprobs={"content": [NO], "refusal": None}),
        ending(0, "stop"),
    ]
    assert joined(*given) == [said({"content": "YesNo"}, logprobs={"content": [YES, NO], "refusal": None})]


def test_choices_that_come_by_turns_are_told_apart():
    given = [
        part(1, {"content": "b"}),
        part(0, {"content": "a"}),
        ending(0, "stop"),
        part(1, {"content": "c"}),
        ending(1, "length"),
    ]
    assert joined(*given) == [said({"content": "a"}), said({"content": "bc"}, index=1, reason="length")]


def test_a_choice_that_goes_on_ends_by_its_last_reason():
    assert joined(part(0, {"content": "a"}), ending(0, "stop"), ending(0, "length")) == [said({"content": "a"}, reason="length")]


def test_a_stream_begins_with_the_roles_and_ends_with_the_reasons():
    sent = list(parts([said({"content": "a"}), said({"content": "b"}, index=1, reason="length")]))
    assert sent == [
        beginning(0),
        part(0, {"content": "a"}),
        beginning(1),
        part(1, {"content": "b"}),
        ending(0, "stop"),
        ending(1, "length"),
    ]


def test_log_probabilities_go_with_what_is_said():
    logprobs = {"content": [YES], "refusal": None}
    sent = list(parts([said({"content": "Yes", "reasoning_content": "Hm."}, logprobs=logprobs)]))
    assert sent[1:-1] == [part(0, {"reasoning_content": "Hm."}), part(0, {"content": "Yes"}, logprobs=logprobs)]


def test_log_probabilities_of_nothing_are_sent_all_the_same():
    logprobs = {"content": [YES], "refusal": None}
    assert list(parts([said({}, logprobs=logprobs)])) == [beginning(0), part(0, {}, logprobs=logprobs), ending(0, "stop")]


texts = st.none() | st.text(min_size=1, max_size=8)
tools = st.lists(
    st.builds(
        lambda id, name, arguments: {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}},
        st.text(min_size=1, max_size=4),
        st.text(min_size=1, max_size=4),
        st.text(max_size=8),
    ),
    max_size=3,
)


@st.composite
def whole_choices(draw: st.DrawFn) -> list[dict[str, Any]]:
    choices = []
    for index in range(draw(st.integers(1, 3))):
        message = {"content": draw(texts), "refusal": draw(texts)}
        if thinking := draw(texts):
            message["reasoning_content"] = thinking
        if calls := draw(tools):
            message["tool_calls"] = calls  # type: ignore[assignment]
        probable = draw(st.none() | st.just({"content": [YES, NO], "refusal": None}))
        choices.append(said(message, index=index, reason=draw(st.sampled_from(["stop", "length"])), logprobs=probable))
    return choices


@given(whole_choices())
def test_a_whole_answer_survives_the_way_through_a_stream(choices: list[dict[str, Any]]):
    sent = list(parts(choices))
    for each in sent:
        ChunkChoice.model_validate(each)
    for each in choices:
        Choice.model_validate(each)
    assert joined(*sent) == choices
