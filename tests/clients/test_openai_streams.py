"""OpenAI's Python SDK, unchanged but for base URL and key: streams."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from contract.ids import new_id
from tests.clients.test_openai import HI, IMAGES, MODEL, WEATHER, Meeting, Weather, credits_of
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.gate import Gate, assert_nothing_held, closed


def text_of(chunks: list[ChatCompletionChunk], *, index: int = 0) -> str:
    """What a choice says, put together."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices if choice.index == index)


def asking(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_every_chunk_has_a_choice_and_the_last_one_the_price(owner: Customer, client: openai.OpenAI):
    chunks = list(client.chat.completions.create(model="auto", messages=HI, stream=True))
    assert {(chunk.object, chunk.id[:9], chunk.model) for chunk in chunks} == {("chat.completion.chunk", "chatcmpl_", MODEL)}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len(text_of(chunks).split()) == 5
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert credits_of(chunks[-1]) == str(owner.record.charged_credits)
    assert owner.record.stream
    assert len(owner.entries) == 1


def test_it_says_what_the_whole_answer_says_at_the_same_price(client: openai.OpenAI):
    whole = client.chat.completions.create(model=MODEL, messages=asking("Count to 30."))
    chunks = list(client.chat.completions.create(model=MODEL, messages=asking("Count to 30."), stream=True))
    assert text_of(chunks) == whole.choices[0].message.content
    assert credits_of(chunks[-1]) == credits_of(whole)


def test_with_include_usage_it_comes_on_a_chunk_of_its_own(owner: Customer, client: openai.OpenAI):
    *chunks, last = client.chat.completions.create(model=MODEL, messages=HI, stream=True, stream_options={"include_usage": True})
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.choices and chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks)
    assert last.choices == []
    assert credits_of(last) == str(owner.record.charged_credits)


def test_the_charge_is_there_before_the_last_chunk(owner: Customer, client: openai.OpenAI):
    for chunk in client.chat.completions.create(model=MODEL, messages=HI, stream=True):
        if chunk.choices[0].finish_reason:
            assert credits_of(chunk) == str(owner.record.charged_credits)
            assert len(owner.entries) == 1


def test_chunks_come_as_the_provider_sends_them(client: openai.OpenAI, gate: Gate):
    """What came before the provider's pause can be read while it pauses."""
    stream = client.chat.completions.create(
        model=MODEL, messages=asking(f"[[gate={gate.name} gate_at=3 chunks=6]]"), stream=True, timeout=20
    )
    chunks = []
    for chunk in stream:
        chunks.append(chunk)
        if text_of(chunks) == "0,1,2,":
            gate.wait()
            gate.open()
    assert text_of(chunks) == "0,1,2,3,4,5,"


def test_the_async_client_reads_many_streams_at_once(owner: Customer):
    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=owner.v1, api_key=owner.token) as client:

            async def one(number: int) -> str:
                stream = await client.chat.completions.create(model=MODEL, messages=asking(f"[[chunks={number}]]"), stream=True)
                return text_of([chunk async for chunk in stream])

            return await asyncio.gather(*(one(number) for number in range(10, 26)))

    assert asyncio.run(ask()) == ["".join(f"{word}," for word in range(number)) for number in range(10, 26)]
    assert len(owner.entries) == 16
    assert_nothing_held(owner)


def test_several_choices_are_told_apart_by_their_index(owner: Customer, client: openai.OpenAI):
    whole = client.chat.completions.create(model=IMAGES, messages=HI, n=2)
    chunks = list(client.chat.completions.create(model=IMAGES, messages=HI, n=2, stream=True))
    assert [text_of(chunks, index=index) for index in (0, 1)] == [choice.message.content for choice in whole.choices]
    finished = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert sorted(finished) == [0, 1]
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert len(owner.entries) == 2


def test_reasoning_comes_before_the_answer(client: openai.OpenAI):
    chunks = list(client.chat.completions.create(model=MODEL, messages=asking('[[reasoning="Let me see." answer=Yes.]]'), stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    reasoning = [(delta.model_extra or {}).get("reasoning_content") for delta in deltas]
    assert ("".join(part for part in reasoning if part), text_of(chunks)) == ("Let me see.", "Yes.")
    assert max(place for place, part in enumerate(reasoning) if part) < min(place for place, delta in enumerate(deltas) if delta.content)


def test_the_raw_lines_are_server_sent_events_to_the_done(client: openai.OpenAI):
    with client.chat.completions.with_streaming_response.create(model=MODEL, messages=HI, stream=True) as response:
        lines = [line for line in response.iter_lines() if line]
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert response.headers["x-request-id"].startswith("req_")
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[-2].removeprefix("data: "))["usage"]["credits"]


# The .stream() helper


def test_the_helper_tells_deltas_and_the_final_answer(owner: Customer, client: openai.OpenAI):
    with client.chat.completions.stream(model=MODEL, messages=HI) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content
    assert (final.choices[0].finish_reason, credits_of(final)) == ("stop", str(owner.record.charged_credits))


def test_the_helper_takes_usage_on_its_own_chunk_too(owner: Customer, client: openai.OpenAI):
    with client.chat.completions.stream(model=MODEL, messages=HI, stream_options={"include_usage": True}) as stream:
        final = stream.get_final_completion()
    assert credits_of(final) == str(owner.record.charged_credits)


def test_the_helper_works_in_async(owner: Customer):
    async def ask() -> Any:
        async with (
            openai.AsyncOpenAI(base_url=owner.v1, api_key=owner.token) as client,
            client.chat.completions.stream(model=MODEL, messages=HI) as stream,
        ):
            return await stream.get_final_completion()

    assert credits_of(asyncio.run(ask())) == str(owner.record.charged_credits)


def test_the_helper_parses_a_structured_answer(client: openai.OpenAI):
    question = asking("A meeting with Ann and Bob on friday, 45 minutes, about prices.")
    with client.chat.completions.stream(model=MODEL, messages=question, response_format=Meeting) as stream:
        events = list(stream)
    done = [event for event in events if event.type == "content.done"]
    assert isinstance(done[0].parsed, Meeting)
    assert stream.get_final_completion().choices[0].message.parsed == done[0].parsed


def test_the_helper_gives_logprobs_as_they_come(client: openai.OpenAI):
    with client.chat.completions.stream(model=IMAGES, messages=HI, logprobs=True) as stream:
        tokens = [token.token for event in stream if event.type == "logprobs.content.delta" for token in event.content]
        final = stream.get_final_completion().choices[0]
    assert "".join(tokens) == final.message.content
    assert final.logprobs is not None
    assert [token.token for token in final.logprobs.content or ()] == tokens


def test_a_streamed_tools_loop_sends_our_messages_back(owner: Customer, client: openai.OpenAI):
    messages = asking("What is the weather in Riga and Oslo?")
    with client.chat.completions.stream(model=MODEL, messages=messages, tools=[WEATHER]) as stream:
        whole = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        message = stream.get_final_completion().choices[0].message
    assert [Weather.model_validate_json(event.arguments).city for event in whole] == ["Riga", "Oslo"]
    calls = message.tool_calls or []
    assert [(call.type, call.function.name, call.function.parsed_arguments) for call in calls] == [
        ("function", "weather", Weather(city="Riga")),
        ("function", "weather", Weather(city="Oslo")),
    ]
    messages += [message, *({"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 7}'} for call in calls)]
    with client.chat.completions.stream(model=MODEL, messages=messages, tools=[WEATHER]) as stream:
        assert "degrees 7" in (stream.get_final_completion().choices[0].message.content or "")
    assert len(owner.entries) == 2


def test_the_parts_of_a_streamed_tool_call_can_be_put_together_by_hand(client: openai.OpenAI):
    chunks = list(client.chat.completions.create(model=MODEL, messages=asking("The weather in Riga?"), tools=[WEATHER], stream=True))
    parts = [part for chunk in chunks for part in chunk.choices[0].delta.tool_calls or ()]
    assert {part.index for part in parts} == {0}
    first = parts[0]
    assert first.function is not None
    assert (first.type, first.function.name, bool(first.id)) == ("function", "weather", True)
    assert all(part.id is None for part in parts[1:])
    assert json.loads("".join(part.function.arguments or "" for part in parts if part.function)) == {"city": "Riga"}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


# When things go wrong


@pytest.mark.parametrize(
    ("fault", "expected", "code"),
    [
        ("status=400", openai.BadRequestError, "invalid_request"),
        ("status=500", openai.InternalServerError, "upstream_error"),
        ("status=429 retry_after=1", openai.InternalServerError, "model_unavailable"),
        ("cut=abrupt cut_at=role", openai.InternalServerError, "upstream_error"),
        ("garbage=html", openai.InternalServerError, "upstream_error"),
    ],
)
def test_a_failure_before_the_first_output_has_its_own_status(
    owner: Customer, client: openai.OpenAI, fault: str, expected: type[openai.APIStatusError], code: str
):
    with pytest.raises(expected) as caught:
        client.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=asking(f"[[{fault}]] Count to 9."), stream=True)
    assert (caught.value.code, owner.record.charged_credits, owner.entries) == (code, 0, [])
    assert_nothing_held(owner)


def test_a_failure_before_the_first_output_is_retried(site: Any, owner: Customer, client: openai.OpenAI):
    script = httpx.post(f"{site.sandbox}/control/scripts", json={"marker": new_id("once"), "steps": [{"status": 500}]}).json()
    chunks = list(client.chat.completions.create(model=MODEL, messages=asking(f"{script['text']} Say hi in five words."), stream=True))
    assert len(text_of(chunks).split()) == 5
    assert (len(owner.records), len(owner.entries)) == (2, 1)


@pytest.mark.parametrize("cut", ["clean", "abrupt", "reset", "error", "garbage"])
def test_a_failure_in_mid_stream_is_raised_where_it_happens_and_costs_nothing(owner: Customer, client: openai.OpenAI, gate: Gate, cut: str):
    fault = f"[[gate={gate.name} gate_at=4 cut={cut} cut_at=4 chunks=9]]"
    stream = client.chat.completions.create(model=MODEL, messages=asking(fault), stream=True)
    chunks = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in stream:
            chunks.append(chunk)
            if text_of(chunks) == "0,1,2,3,":
                gate.open()
    assert text_of(chunks) == "0,1,2,3,"
    assert caught.value.code == "upstream_error"
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["request_id"] == owner.record.request_id
    assert (owner.record.clause, owner.record.charged_credits, owner.entries) == ("upstream_failed", 0, [])
    assert_nothing_held(owner)


def test_a_stream_closed_early_is_charged_once_and_holds_nothing(owner: Customer, client: openai.OpenAI, gate: Gate):
    stream = client.chat.completions.create(model=MODEL, messages=asking(f"[[gate={gate.name} gate_at=3 chunks=6]]"), stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content == "2,":
            break
    stream.close()
    gate.wait()
    gate.open()
    assert (closed(owner).clause, len(owner.entries)) == ("drained", 1)
    assert owner.record.completion_tokens == 12
    assert eventually(lambda: owner.wallet.in_flight == 0)
    assert_nothing_held(owner)
