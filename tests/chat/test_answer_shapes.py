"""Real answers, whole and streamed, against the shapes that the API document is made of."""

from __future__ import annotations

from typing import Any

import pytest

from chat.answers import ChatCompletion, ChatCompletionChunk
from tests.answers import assert_shape
from tests.chat.events import streamed

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
CALLS: dict[str, dict[str, Any]] = {
    "words": {},
    "cut short": {"text": "Count to 60.", "max_tokens": 5},
    "a tool": {"text": "What is the weather in Riga?", "tools": TOOLS, "tool_choice": "required"},
    "several choices with log probabilities": {"model": "gpt-4o-mini", "n": 2, "logprobs": True, "top_logprobs": 2},
    "reasoning": {"text": "[[reasoning=hm answer=yes]]"},
    "a refusal": {"text": "[[refusal=no]]"},
    "nothing": {"text": "[[empty=true]]"},
    "a count that was estimated": {"text": "[[usage=missing]] Say hi in five words."},
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@every_call
def test_a_whole_answer_has_its_shape(customer, call: dict[str, Any]):
    assert_shape(customer().chat(**call).json(), ChatCompletion)


@every_call
@pytest.mark.parametrize("with_usage", [False, True])
def test_every_chunk_of_a_stream_has_its_shape(customer, call: dict[str, Any], with_usage: bool):
    answer = streamed(customer(), **call, **({"stream_options": {"include_usage": True}} if with_usage else {}))
    assert answer.done
    assert len(answer.chunks) > 1
    for chunk in answer.chunks:
        assert_shape(chunk, ChatCompletionChunk)


def test_the_cases_say_what_they_are_named_for(customer):
    told = {name: customer().chat(**call).json() for name, call in CALLS.items()}
    first = {name: answer["choices"][0] for name, answer in told.items()}
    assert first["cut short"]["finish_reason"] == "length"
    assert first["a tool"]["message"]["tool_calls"]
    several = told["several choices with log probabilities"]["choices"]
    assert [bool(choice["logprobs"]["content"][0]["top_logprobs"]) for choice in several] == [True, True]
    assert first["reasoning"]["message"]["reasoning_content"] == "hm"
    assert first["a refusal"]["message"]["refusal"] == "no"
    assert told["nothing"]["usage"]["credits"] == "0.0000"
