"""What the API document says of chat: the words of each field of a request, and examples that can be sent as they are."""

from __future__ import annotations

from typing import Any, Final

from chat.answers import ChatCompletion, ChatCompletionChunk, Quote
from chat.schema import ChatRequest
from contract.operation import Example, Operation

_WORDS: Final = {
    "model": "`auto`, or the id of a model of `/v1/models`. `auto` takes the first model that takes every field of the request.",
    "messages": "The conversation so far, oldest first. A message of an earlier answer can be sent back as it came.",
    "stream": "Send the answer in parts, as `text/event-stream`.",
    "stream_options": "Only with `stream`.",
    "temperature": "How freely words are chosen. A value below a model's minimum is raised to it.",
    "top_p": "Choose among the likeliest words whose probabilities come to this.",
    "max_tokens": "The older name of `max_completion_tokens`. Give one of them.",
    "max_completion_tokens": "The most tokens of output per choice, reasoning included. Without it the model's own default counts. "
    "Above the model's maximum it is lowered to it.",
    "n": "How many answers to give. All of them are charged.",
    "stop": "Where to stop: a text or up to four.",
    "seed": "A wish for repeatable answers, which models keep as well as they can.",
    "frequency_penalty": "Discourages words the more often they have come.",
    "presence_penalty": "Discourages words that have come at all.",
    "logit_bias": "By token id, how much more or less likely a token is made.",
    "logprobs": "Tell how likely each token of the answer was.",
    "top_logprobs": "How many of the likeliest tokens to tell at each place. Needs `logprobs: true`.",
    "tools": "Functions that the model may ask you to call.",
    "tool_choice": "Whether it may, must or must not call one, or which.",
    "parallel_tool_calls": "Whether it may call several at once.",
    "response_format": "The form of the answer: text, any JSON object, or JSON by a schema of yours.",
    "reasoning_effort": "How long a model that reasons should think.",
    "verbosity": "How long the answer should be.",
    "modalities": 'Only `["text"]`.',
    "metadata": "Up to 16 pairs of yours, kept with the call's receipt. No provider sees them.",
    "store": "Only false: no conversation is stored.",
    "service_tier": "Only `auto` or `default`.",
    "safety_identifier": "Stands for one of your users. Providers get a digest of it.",
    "prompt_cache_key": "Calls with the same key begin alike. Providers get a digest of it.",
    "user": "The older name of `safety_identifier` and `prompt_cache_key`.",
    "model_options": "Options of one model, as its entry in `/v1/catalog/models` lists them.",
}

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

CREATE_CHAT_COMPLETION: Final = Operation(
    id="createChatCompletion",
    tag="Chat",
    status="Available",
    body=ChatRequest,
    body_words=_WORDS,
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
        "insufficient_balance",
        "spend_limit_reached",
        "billing_failed",
        "context_length_exceeded",
        "unsupported_model",
        "unsupported_option",
        "unsupported_capability",
        "safety_rejected",
        "model_unavailable",
        "upstream_error",
        "upstream_timeout",
    ),
)

_QUOTE: Final = {
    "object": "quote",
    "model": "MiniMax-M2.7",
    "hold_credits": "7.3894",
    "most_credits": "79.8878",
    "available_credits": "1000.0000",
    "affordable": True,
    "affordable_output_tokens": 131_072,
}
QUOTE_CHAT_COMPLETION: Final = Operation(
    id="quoteChatCompletion",
    tag="Chat",
    status="Preview",
    body=ChatRequest,
    body_words=_WORDS,
    body_examples={"text": Example("A question", _HI)},
    answer=Quote,
    answer_words="The quote.",
    answer_examples={"quote": Example("A call that the wallet carries", _QUOTE)},
    errors=("context_length_exceeded", "unsupported_model", "unsupported_option", "unsupported_capability", "model_unavailable"),
)
