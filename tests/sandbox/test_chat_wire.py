"""The stand-in speaks OpenAI's chat-completions format: shown with OpenAI's own SDK."""

import json

import jsonschema
import openai
import pytest

from beatra_site.sandbox import tokens
from tests.sandbox.conftest import question, running_sandbox

HI = [{"role": "user", "content": "Say hi in five words."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {"name": "get_time", "description": "Time in a city", "parameters": {"type": "object", "properties": {}}},
}


def streamed(provider, **fields):
    return list(provider.chat.completions.create(model="gpt-4o-mini", stream=True, **fields))


def text_of(chunks, index=0):
    return "".join(
        choice.delta.content or "" for chunk in chunks for choice in chunk.choices if choice.index == index and choice.delta.content
    )


def test_it_answers_with_true_token_counts(provider):
    answer = provider.chat.completions.create(model="MiniMax-M2.7", messages=HI)
    text = answer.choices[0].message.content
    assert len(text.split()) == 5
    assert (answer.object, answer.model, answer.choices[0].finish_reason) == ("chat.completion", "MiniMax-M2.7", "stop")
    assert answer.usage.completion_tokens == tokens.count(text)
    # 3 for the message, 1 for its role, the text, 3 to open the answer
    assert answer.usage.prompt_tokens == 3 + 1 + tokens.count("Say hi in five words.") + 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens_details.cached_tokens == 0


def test_a_stream_says_the_same_as_a_whole_answer(provider):
    whole = provider.chat.completions.create(model="gpt-4o-mini", messages=HI)
    chunks = streamed(provider, messages=HI, stream_options={"include_usage": True})
    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_reports_no_usage_unless_asked_and_ends_with_done(http):
    body = http.post("/chat/v1/chat/completions", json=question("hi", stream=True)).text
    assert '"usage"' not in body
    assert body.endswith("\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("limit", [1, 2, 7])
def test_limits_hold_to_the_token(provider, field, limit):
    ask = [{"role": "user", "content": "Count to 100"}]
    whole = provider.chat.completions.create(model="gpt-4o-mini", messages=ask, **{field: limit})
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == limit == tokens.count(whole.choices[0].message.content)
    chunks = streamed(provider, messages=ask, stream_options={"include_usage": True}, **{field: limit})
    assert text_of(chunks) == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == limit


def test_an_answer_that_just_fits_its_limit_stops_by_itself(provider):
    free = provider.chat.completions.create(model="gpt-4o-mini", messages=HI)
    fitted = provider.chat.completions.create(model="gpt-4o-mini", messages=HI, max_tokens=free.usage.completion_tokens)
    assert fitted.choices[0].finish_reason == "stop"


def test_characters_of_several_tokens_arrive_whole(provider):
    ask = [{"role": "user", "content": "Repeat after me: 🦜 नमस्ते 你好"}]
    chunks = streamed(provider, messages=ask)
    assert text_of(chunks) == "🦜 नमस्ते 你好"


def test_several_choices_are_counted_together(provider):
    whole = provider.chat.completions.create(model="gpt-4o-mini", messages=HI, n=3)
    texts = [choice.message.content for choice in whole.choices]
    assert len(set(texts)) == 3
    assert whole.usage.completion_tokens == sum(tokens.count(text) for text in texts)
    chunks = streamed(provider, messages=HI, n=3)
    assert [text_of(chunks, index) for index in range(3)] == texts


def test_a_seed_decides_the_phrasing(provider):
    def said(seed):
        return provider.chat.completions.create(model="gpt-4o-mini", messages=HI, seed=seed).choices[0].message.content

    assert said(1) == said(1) != said(2)


def test_stop_sequences_end_the_text_before_them(provider):
    answer = provider.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Count to 10"}], stop=[", 4", "9"])
    assert answer.choices[0].message.content == "1, 2, 3"
    assert answer.choices[0].finish_reason == "stop"


def test_logprobs_have_a_row_for_each_token(provider):
    answer = provider.chat.completions.create(model="gpt-4o-mini", messages=HI, logprobs=True, top_logprobs=2)
    rows = answer.choices[0].logprobs.content
    assert b"".join(bytes(row.bytes) for row in rows).decode() == answer.choices[0].message.content
    assert all(len(row.top_logprobs) == 2 and row.logprob <= 0 for row in rows)
    chunks = streamed(provider, messages=HI, logprobs=True)
    assert sum(len(chunk.choices[0].logprobs.content) for chunk in chunks if chunk.choices[0].logprobs) == len(rows)


def test_reasoning_comes_first_and_is_counted_within_the_output(provider):
    answer = provider.chat.completions.create(model="MiniMax-M2.7", messages=HI, reasoning_effort="low")
    message = answer.choices[0].message
    assert message.reasoning_content
    reasoned = answer.usage.completion_tokens_details.reasoning_tokens
    assert reasoned == tokens.count(message.reasoning_content)
    assert answer.usage.completion_tokens == reasoned + tokens.count(message.content)
    deltas = [chunk.choices[0].delta for chunk in streamed(provider, messages=HI, reasoning_effort="low")]
    kinds = [next(iter(delta.model_dump(exclude_unset=True)), "") for delta in deltas]
    assert kinds.index("reasoning_content") < kinds.index("content", 1)
    short = provider.chat.completions.create(model="MiniMax-M2.7", messages=HI, reasoning_effort="low", max_tokens=4)
    assert (short.choices[0].message.content, short.choices[0].finish_reason, short.usage.completion_tokens) == ("", "length", 4)


def test_it_calls_the_tool_that_fits_and_answers_from_its_result(provider):
    messages = [{"role": "user", "content": "What is the weather in Paris in fahrenheit?"}]
    first = provider.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[CLOCK, WEATHER])
    call = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls"
    assert first.choices[0].message.content is None
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris", "unit": "fahrenheit"})
    assert first.usage.completion_tokens == tokens.count("get_weather") + tokens.count(call.function.arguments)
    messages += [
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 64, "sky": "clear"}'},
    ]
    second = provider.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[CLOCK, WEATHER])
    assert second.choices[0].message.content == "According to get_weather: temperature 64, sky clear."


def test_tool_calls_stream_in_pieces(provider):
    ask = [{"role": "user", "content": "Weather in Paris and London?"}]
    with provider.chat.completions.stream(model="gpt-4o-mini", messages=ask, tools=[WEATHER]) as stream:
        final = stream.get_final_completion()
    calls = [json.loads(call.function.arguments)["city"] for call in final.choices[0].message.tool_calls]
    assert calls == ["Paris", "London"]
    assert final.choices[0].finish_reason == "tool_calls"
    single = provider.chat.completions.create(model="gpt-4o-mini", messages=ask, tools=[WEATHER], parallel_tool_calls=False)
    assert len(single.choices[0].message.tool_calls) == 1


def test_tool_choice_is_obeyed(provider):
    def calls(choice):
        answer = provider.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Tell me a joke"}], tools=[CLOCK, WEATHER], tool_choice=choice
        )
        return [call.function.name for call in answer.choices[0].message.tool_calls or ()]

    assert calls("auto") == []
    assert calls("none") == []
    assert len(calls("required")) == 1
    assert calls({"type": "function", "function": {"name": "get_weather"}}) == ["get_weather"]


SCHEMA = {
    "$defs": {"tag": {"type": "string", "minLength": 3, "maxLength": 12}},
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 1, "maximum": 150},
        "email": {"type": "string", "format": "email"},
        "mood": {"enum": ["happy", "sad"]},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 2, "maxItems": 3, "uniqueItems": True},
        "score": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "parent": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        "extra": {"allOf": [{"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}]},
        "half": {"type": "number", "multipleOf": 0.5, "minimum": 2},
        "kind": {"const": "person"},
    },
    "required": ["name", "age", "email", "mood", "tags", "score", "note", "parent", "extra", "half", "kind"],
    "additionalProperties": False,
}


def test_a_json_schema_is_satisfied_with_values_of_the_question(provider):
    answer = provider.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Extract: Ada Lovelace, 36, ada@example.com, was sad."}],
        response_format={"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}},
    )
    value = json.loads(answer.choices[0].message.content)
    jsonschema.validate(value, SCHEMA)
    assert (value["name"], value["age"], value["email"], value["mood"]) == ("Ada Lovelace", 36, "ada@example.com", "sad")


BAD_SCHEMAS = [
    {"type": "string", "minLength": 10**9},
    {"type": "array", "minItems": 10**9},
    {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefghij"}, "required": list("abcdefghij")},
    {"anyOf": [{"$ref": "#"}]},
    {"type": "object", "properties": ["a"]},
    {"type": "integer", "minimum": "x"},
    {"type": "number", "multipleOf": 1e-320, "minimum": 1},
]


@pytest.mark.parametrize("schema", BAD_SCHEMAS, ids=range(len(BAD_SCHEMAS)))
def test_a_schema_that_nothing_satisfies_is_refused(provider, schema):
    form = {"type": "json_schema", "json_schema": {"name": "bad", "schema": schema}}
    with pytest.raises(openai.BadRequestError):
        provider.chat.completions.create(model="gpt-4o-mini", messages=HI, response_format=form)


def test_a_json_object_has_the_keys_asked_for(provider):
    def said(text):
        answer = provider.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": text}], response_format={"type": "json_object"}
        )
        return json.loads(answer.choices[0].message.content)

    assert said("What is 2+2? Answer as JSON.").keys() == {"answer"}
    assert said('Give me JSON with keys "city" and "country" for Paris').keys() == {"city", "country"}


def test_images_are_taken_and_counted(provider):
    def used(*images):
        parts = [{"type": "text", "text": "What is this?"}, *({"type": "image_url", "image_url": image} for image in images)]
        return provider.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": parts}])

    inline = {"url": "data:image/png;base64," + "iVBORw0KGgo=" * 1000}
    none, two = used(), used(inline, {"url": "https://example.com/a.png", "detail": "low"})
    assert two.usage.prompt_tokens - none.usage.prompt_tokens == 765 + 85
    assert "2 images" in two.choices[0].message.content


def test_tools_and_schemas_count_as_prompt(provider):
    plain = provider.chat.completions.create(model="gpt-4o-mini", messages=HI).usage.prompt_tokens
    tools = provider.chat.completions.create(model="gpt-4o-mini", messages=HI, tools=[WEATHER]).usage.prompt_tokens
    assert tools == plain + tokens.count(json.dumps(WEATHER, separators=(",", ":")).join("[]"))


def test_the_earlier_conversation_is_remembered(provider):
    messages = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "What is my name?"},
    ]
    answer = provider.chat.completions.create(model="gpt-4o-mini", messages=messages)
    assert answer.choices[0].message.content == "Your name is Ada."


def test_models_are_listed(provider):
    assert {"MiniMax-M2.7", "gpt-4o-mini", "qwen-max"} <= {model.id for model in provider.models.list()}


def test_a_long_prompt_is_counted_and_refused_beyond_the_context(provider):
    ask = [{"role": "user", "content": "word " * 40_000}]
    with pytest.raises(openai.BadRequestError, match="maximum context length is 32768 tokens") as caught:
        provider.chat.completions.create(model="qwen-max", messages=ask)
    assert caught.value.code == "context_length_exceeded"
    assert provider.chat.completions.create(model="gpt-4o-mini", messages=ask).usage.prompt_tokens > 40_000


@pytest.mark.parametrize(
    "text",
    ["a" * 1_200_000, " " * 1_200_000, "<|endoftext|>", "\n\r\t" * 50_000, "word " * 30_000],
    ids=["run", "blanks", "special", "lines", "words"],
)
def test_hostile_texts_are_counted(text):
    assert tokens.count(text) == len(tokens.encode(text)) > 0
    assert b"".join(tokens.encode(text)).decode() == text


def test_a_configured_key_is_asked_for():
    with running_sandbox("--key", "sk-right") as origin:
        right, wrong = (openai.OpenAI(base_url=f"{origin}/chat/v1", api_key=key, max_retries=0) for key in ("sk-right", "sk-wrong"))
        assert right.chat.completions.create(model="gpt-4o-mini", messages=HI).choices
        with pytest.raises(openai.AuthenticationError) as caught:
            wrong.chat.completions.create(model="gpt-4o-mini", messages=HI)
        assert caught.value.code == "invalid_api_key"
