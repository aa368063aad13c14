"""OpenAI's Python SDK, unchanged but for base URL and key: answers that come whole."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel

from tests.customer import Customer

MODEL, IMAGES = "MiniMax-M2.7", "gpt-4o-mini"
HI: Any = [{"role": "user", "content": "Say hi in five words."}]

# A PNG of one pixel
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def credits_of(answer: Any) -> str:
    """What the SDK shows of our addition to `usage`."""
    credits: str = answer.usage.model_extra["credits"]
    return credits


def test_an_answer_is_a_chat_completion_with_its_price(owner: Customer, client: openai.OpenAI):
    answer = client.chat.completions.create(model="auto", messages=HI)
    assert (answer.id[:9], answer.object, answer.model) == ("chatcmpl_", "chat.completion", MODEL)
    (choice,) = answer.choices
    assert (choice.finish_reason, choice.message.role, choice.message.tool_calls) == ("stop", "assistant", None)
    assert len((choice.message.content or "").split()) == 5
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens + usage.completion_tokens == usage.total_tokens
    assert usage.prompt_tokens_details is not None
    assert credits_of(answer) == str(owner.record.charged_credits)
    assert answer._request_id == owner.record.request_id


def test_the_async_client_asks_for_many_at_once(owner: Customer):
    async def ask() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=owner.v1, api_key=owner.token) as client:
            calls = [
                client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": f"Count to {number}."}])
                for number in range(2, 10)
            ]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*calls)]

    answers = asyncio.run(ask())
    assert len(set(answers)) == len(owner.entries) == 8


def test_the_raw_response_has_our_headers(owner: Customer, client: openai.OpenAI):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HI, extra_headers={"X-Request-Id": "mine-1"})
    assert (raw.status_code, raw.headers["x-request-id"], raw.request_id) == (200, "mine-1", "mine-1")
    assert credits_of(raw.parse()) == str(owner.record.charged_credits)
    with client.chat.completions.with_streaming_response.create(model=MODEL, messages=HI) as response:
        assert credits_of(response.parse()) == str(owner.records[-1].charged_credits)


def test_our_own_field_goes_in_the_extra_body(owner: Customer, client: openai.OpenAI):
    answer = client.chat.completions.create(model=MODEL, messages=HI, extra_body={"model_options": {}}, metadata={"order": "7"})
    assert (answer.choices[0].finish_reason, owner.record.metadata) == ("stop", {"order": "7"})


def test_several_choices_are_one_charge(owner: Customer, client: openai.OpenAI):
    answer = client.chat.completions.create(model=IMAGES, messages=HI, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.message.content for choice in answer.choices)
    assert len(owner.entries) == 1


def test_logprobs_come_with_every_token(client: openai.OpenAI):
    answer = client.chat.completions.create(model="auto", messages=HI, logprobs=True, top_logprobs=2)
    (choice,) = answer.choices
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert "".join(token.token for token in choice.logprobs.content) == choice.message.content
    assert {len(token.top_logprobs) for token in choice.logprobs.content} == {2}
    assert all(token.logprob <= 0 for token in choice.logprobs.content)


@pytest.mark.parametrize("url", [PIXEL, "https://example.com/cat.png"], ids=["data", "https"])
def test_an_image_is_counted_in_the_prompt(owner: Customer, client: openai.OpenAI, url: str):
    content: Any = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url, "detail": "low"}}]
    answer = client.chat.completions.create(model=IMAGES, messages=[{"role": "user", "content": content}])
    assert answer.usage is not None
    assert answer.usage.prompt_tokens >= 85
    assert credits_of(answer) == str(owner.record.charged_credits)


def test_models_are_listed_and_looked_up(client: openai.OpenAI):
    models = {model.id: model for model in client.models.list()}
    assert {"auto", MODEL, IMAGES} <= set(models)
    assert client.models.retrieve("auto") == models["auto"]


# Structured output


class Meeting(BaseModel):
    """What is asked for."""

    topic: str
    weekday: Literal["monday", "tuesday", "friday"]
    minutes: int
    people: list[str]


def test_an_answer_is_parsed_into_a_model(client: openai.OpenAI):
    question: Any = [{"role": "user", "content": "A meeting with Ann and Bob on friday, 45 minutes, about prices."}]
    answer = client.chat.completions.parse(model=MODEL, messages=question, response_format=Meeting)
    (choice,) = answer.choices
    assert isinstance(choice.message.parsed, Meeting)
    assert Meeting.model_validate_json(choice.message.content or "") == choice.message.parsed


def test_a_parsed_answer_that_was_cut_is_told_as_such(owner: Customer, client: openai.OpenAI):
    with pytest.raises(openai.LengthFinishReasonError) as caught:
        client.chat.completions.parse(model=MODEL, messages=HI, response_format=Meeting, max_tokens=3)
    assert caught.value.completion.usage is not None
    assert caught.value.completion.usage.completion_tokens == owner.record.completion_tokens == 3


def test_a_filtered_answer_is_told_as_such(client: openai.OpenAI):
    filtered: Any = [{"role": "user", "content": "[[finish_reason=content_filter]] Say hi."}]
    with pytest.raises(openai.ContentFilterFinishReasonError):
        client.chat.completions.parse(model=MODEL, messages=filtered, response_format=Meeting)


def test_a_refusal_is_told_as_such(client: openai.OpenAI):
    refused: Any = [{"role": "user", "content": '[[refusal="I will not say that."]] Say it.'}]
    message = client.chat.completions.parse(model=MODEL, messages=refused, response_format=Meeting).choices[0].message
    assert (message.refusal, message.parsed) == ("I will not say that.", None)


# Tools


class Weather(BaseModel):
    """The weather in a city."""

    city: str


WEATHER = openai.pydantic_function_tool(Weather, name="weather")
AS_IT_CAME: dict[str, Any] = {
    "the object": lambda message: message,
    "dumped": lambda message: message.model_dump(),
    "without nulls": lambda message: message.model_dump(exclude_none=True),
    "to be JSON": lambda message: message.to_dict(),
}


@pytest.mark.parametrize("send_back", AS_IT_CAME.values(), ids=AS_IT_CAME)
@pytest.mark.parametrize("method", ["create", "parse"])
def test_a_tools_loop_sends_our_messages_back_as_they_came(owner: Customer, client: openai.OpenAI, method: str, send_back: Any):
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Riga and Oslo?"}]
    ask = getattr(client.chat.completions, method)
    (choice,) = ask(model=MODEL, messages=messages, tools=[WEATHER]).choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    calls = choice.message.tool_calls
    assert [Weather.model_validate_json(call.function.arguments).city for call in calls] == ["Riga", "Oslo"]
    assert len({call.id for call in calls}) == 2

    messages.append(send_back(choice.message))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f'{{"degrees": {number + 7}}}'} for number, call in enumerate(calls)]
    (last,) = ask(model=MODEL, messages=messages, tools=[WEATHER]).choices
    assert last.finish_reason == "stop"
    assert "degrees 7" in last.message.content
    assert "degrees 8" in last.message.content

    messages += [send_back(last.message), {"role": "user", "content": "Thank you."}]
    assert ask(model=MODEL, messages=messages, tools=[WEATHER]).choices[0].finish_reason == "stop"
    assert len(owner.entries) == 3


def test_an_answer_with_reasoning_and_a_refusal_is_taken_back(client: openai.OpenAI):
    faults: Any = [{"role": "user", "content": '[[reasoning="Let me see." refusal="Rather not."]] Say it.'}]
    message = client.chat.completions.create(model=MODEL, messages=faults).choices[0].message
    assert (message.refusal, message.model_extra) == ("Rather not.", {"reasoning_content": "Let me see."})
    again: Any = [*HI, message, *HI]
    assert client.chat.completions.create(model=MODEL, messages=again).choices[0].finish_reason == "stop"
