"""Whatever beatra emits in a message is accepted in one: answers go back as they came, as clients keep them, and reach the provider."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.chat.events import streamed
from tests.chat.received import received

TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    }
]
ASKED = {"role": "user", "content": "What is the weather in Riga?"}


def answered(owner: Any, text: str, **fields: Any) -> dict[str, Any]:
    response = owner.chat(text, **fields)
    assert response.status_code == 200, response.text
    message: dict[str, Any] = response.json()["choices"][0]["message"]
    return message


def and_then(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The conversation up to `message`, every call in it answered."""
    calls = message.get("tool_calls") or []
    return [ASKED, message, *({"role": "tool", "tool_call_id": call["id"], "content": "rain"} for call in calls)]


@pytest.mark.parametrize(
    ("text", "fields", "sent"),
    [
        ("Say hi.", {}, {"content"}),
        ("What is the weather in Riga?", {"tools": TOOLS, "tool_choice": "required"}, {"content", "tool_calls"}),
        ('[[refusal="I will not."]]', {}, {"content", "refusal"}),
        ('[[reasoning="Let me think."]] Say hi.', {}, {"content", "reasoning_content"}),
        ("[[empty=true]]", {}, {"content"}),
    ],
    ids=["words", "tool calls", "a refusal", "thinking", "nothing"],
)
def test_an_answer_goes_back_as_it_came(customer, sandbox: str, text: str, fields: dict[str, Any], sent: set[str]):
    owner = customer()
    message = answered(owner, text, **fields)
    (_, back, *_) = received(owner, sandbox, messages=and_then(message), tools=TOOLS)["messages"]
    assert set(back) == {"role", *sent}
    assert all(back[name] == message[name] for name in sent if message[name] is not None)


def test_a_message_of_the_openai_sdk_goes_back_as_an_object_and_as_a_dump(customer, sandbox: str):
    owner = customer()
    client = openai.OpenAI(base_url=owner.v1, api_key=owner.token, max_retries=0)
    for ask in ({"tools": TOOLS, "tool_choice": "required"}, {}):
        message = client.chat.completions.create(model="MiniMax-M2.7", messages=[ASKED], **ask).choices[0].message
        results = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls or ()]
        again = client.chat.completions.create(model="MiniMax-M2.7", messages=[ASKED, message, *results], tools=TOOLS)
        assert again.choices[0].finish_reason in ("stop", "tool_calls")
        for dump in (message.model_dump(), message.model_dump(exclude_none=True), json.loads(message.model_dump_json())):
            assert received(owner, sandbox, messages=[ASKED, dump, *results], tools=TOOLS)["messages"][1]["role"] == "assistant"


def test_what_a_stream_adds_up_to_goes_back(customer, sandbox: str):
    owner = customer()
    said = streamed(owner, "Say hi in five words.").content
    assert received(owner, sandbox, messages=[ASKED, {"role": "assistant", "content": said}])["messages"][1]["content"] == said


CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Riga"}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        # OpenAI's whole message
        (
            {"content": "hi", "refusal": None, "annotations": [], "audio": None, "function_call": None, "tool_calls": None},
            {"content": "hi"},
        ),
        # LangChain: empty content beside calls, a name, its own index
        ({"content": "", "name": "helper", "tool_calls": [{**CALL, "index": 0}]}, {"content": "", "name": "helper", "tool_calls": [CALL]}),
        # LiteLLM: fields of its own, also inside
        (
            {"content": None, "tool_calls": [CALL], "provider_specific_fields": {"a": 1}, "thinking_blocks": None, "images": []},
            {"content": None, "tool_calls": [CALL]},
        ),
        # Vercel's SDK: content left out
        ({"tool_calls": [CALL]}, {"content": None, "tool_calls": [CALL]}),
        # Lists that accumulators leave empty
        ({"content": "hi", "tool_calls": [], "annotations": []}, {"content": "hi"}),
        ({"content": None, "tool_calls": []}, {"content": ""}),
        ({"content": None, "reasoning_content": "hm"}, {"content": "", "reasoning_content": "hm"}),
        ({"reasoning_content": "hm"}, {"content": "", "reasoning_content": "hm"}),
        ({"refusal": "No."}, {"content": None, "refusal": "No."}),
        # Parts in place of a text
        (
            {"content": [{"type": "text", "text": "hi", "annotations": []}, {"type": "refusal", "refusal": "No."}]},
            {"content": [{"type": "text", "text": "hi"}, {"type": "refusal", "refusal": "No."}]},
        ),
    ],
)
def test_a_message_is_taken_as_clients_keep_it(customer, sandbox: str, message: dict[str, Any], sent: dict[str, Any]):
    results = [RESULT] if message.get("tool_calls") else []
    body = received(customer(), sandbox, messages=[ASKED, {"role": "assistant", **message}, *results], tools=TOOLS)
    assert body["messages"][1] == {"role": "assistant", **sent}


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        ({"name": "weather"}, {}),
        ({"content": [{"type": "text", "text": "rain"}, {"type": "text", "text": "and wind"}]}, None),
        ({"status": "success", "artifact": None, "additional_kwargs": {}}, {}),
    ],
)
def test_a_tools_result_is_taken_as_clients_send_it(customer, sandbox: str, result: dict[str, Any], sent: dict[str, Any] | None):
    message = {**RESULT, **result}
    body = received(customer(), sandbox, messages=[ASKED, {"role": "assistant", "tool_calls": [CALL]}, message], tools=TOOLS)
    assert body["messages"][2] == (message if sent is None else {**RESULT, **sent})


def test_an_assistants_message_that_is_no_answer_is_refused(customer):
    response = customer().http.post("/chat/completions", json={"model": "auto", "messages": [ASKED, {"role": "assistant"}]})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "/messages/1/content")
