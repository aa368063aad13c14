"""What the API document says of chat. Its examples can be sent as they are."""

from __future__ import annotations

from typing import Any, Final

from chat.answers import ChatCompletion, ChatCompletionChunk, Quote
from chat.schema import ChatRequest
from contract.operation import Example, Operation

_HI: Final[dict[str, Any]] = {"model": "auto", "messages": [{"role": "user", "content": "Say hi in five words."}]}
_WEATHER: Final[dict[str, Any]] = {
    "model": "auto",
    "messages": [{"role": "user", "content": "What is the weather in Oslo?"}],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "The weather of a city.",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                    "additionalProperties": False,
                },
            },
        }
    ],
}
_CITY: Final[dict[str, Any]] = {
    "model": "auto",
    "messages": [{"role": "user", "content": "Name a city and its country."}],
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "city",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
                "required": ["city", "country"],
                "additionalProperties": False,
            },
        },
    },
}

_ID: Final = "chatcmpl_01JZ5Q3V8YB6K2N4P7R9T1V3X5"
_USAGE: Final = {
    "prompt_tokens": 40,
    "completion_tokens": 100,
    "total_tokens": 140,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
    "credits": "0.1980",
    "credits_usd_reference": "0.0002",
}


def _completion(message: dict[str, Any], *, finish_reason: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "refusal": None, **message}, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": _ID,
        "object": "chat.completion",
        "created": 1767225600,
        "model": "MiniMax-M2.7",
        "choices": [choice],
        "usage": _USAGE,
    }


def _chunk(delta: dict[str, Any], *, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": _ID,
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "MiniMax-M2.7",
        "choices": [choice],
        **more,
    }


_CALL: Final = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}

# What can be refused before anything is held, by the call and by its quote
_REFUSALS: Final = ("context_length_exceeded", "unsupported_model", "unsupported_option", "unsupported_capability", "model_unavailable")

CREATE_CHAT_COMPLETION: Final = Operation(
    id="createChatCompletion",
    tag="Chat",
    status="Available",
    body=ChatRequest,
    body_examples={
        "text": Example("A question", _HI),
        "stream": Example("A question, answered in parts", {**_HI, "stream": True}),
        "tools": Example("A question that needs a tool", _WEATHER),
        "json": Example("An answer by a schema", _CITY),
    },
    answer=ChatCompletion,
    answer_words="The answer with its price; as `text/event-stream` where `stream` is true.",
    answer_examples={
        "text": Example("An answer", _completion({"content": "Hello there, how are you?"}, finish_reason="stop")),
        "tools": Example("A call of a tool", _completion({"content": None, "tool_calls": [_CALL]}, finish_reason="tool_calls")),
    },
    stream=ChatCompletionChunk,
    stream_examples={
        "first": Example("The first chunk: the role", _chunk({"role": "assistant", "content": ""})),
        "delta": Example("A part of the answer", _chunk({"content": "Hello"})),
        "last": Example("The last chunk: why it ended, and the price", _chunk({}, finish_reason="stop", usage=_USAGE)),
    },
    idempotent=True,
    errors=(
        *_REFUSALS,
        "safety_rejected",
        "insufficient_balance",
        "spend_limit_reached",
        "billing_failed",
        "upstream_error",
        "upstream_timeout",
    ),
)
QUOTE_CHAT_COMPLETION: Final = Operation(
    id="quoteChatCompletion",
    tag="Chat",
    status="Preview",
    body=ChatRequest,
    body_examples={"text": Example("A question", _HI)},
    answer=Quote,
    answer_words="What the call would hold. A key's spend limits count too: with little left of one, `affordable` is false "
    "however high `available_credits`, which are the wallet's.",
    answer_examples={
        "quote": Example(
            "A call that the wallet carries",
            {
                "object": "quote",
                "model": "MiniMax-M2.7",
                "hold_credits": "7.3920",
                "most_credits": "18.4320",
                "available_credits": "987.5000",
                "affordable": True,
                "affordable_output_tokens": 131072,
            },
        )
    },
    errors=_REFUSALS,
)
