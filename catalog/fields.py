"""The optional request fields that a chat model may or may not take.

`model`, `messages`, the stream fields and the token limits work with every model; `metadata`, `user` and their like are
ours and never reach one. A seed is a hint: it goes to the models that list it, and none refuses it. A request's set of
fields leaves out what stands at OpenAI's default. `image_url` stands for image parts in messages, and an option `x` of
`model_options` counts as the field `model_options.x`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from contract.json_pointer import pointer as json_pointer

IMAGES = "image_url"
OPTION_PREFIX = "model_options."

EVERY_MODEL = (
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "modalities",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "user",
)
"""The optional fields that no model refuses."""

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "temperature": "sampling temperature",
        "top_p": "nucleus sampling",
        "n": "several choices",
        "stop": "stop sequences",
        "seed": "a seed, as a hint",
        "frequency_penalty": "penalty on frequent tokens",
        "presence_penalty": "penalty on tokens seen",
        "logit_bias": "bias on tokens",
        "logprobs": "log probabilities",
        "top_logprobs": "the likeliest tokens with their log probabilities",
        "tools": "function tools",
        "tool_choice": "which tool is called",
        "parallel_tool_calls": "whether several tools may be called at once",
        "response_format": "JSON and structured output",
        "reasoning_effort": "how long the model thinks",
        "verbosity": "how much the model says",
        IMAGES: "images in messages",
    }
)


def pointer(field: str) -> str:
    """Where a field stands in the body, as an RFC 6901 JSON Pointer."""
    if field == IMAGES:
        return "/messages"
    prefix, option, name = field.partition(OPTION_PREFIX)
    return json_pointer(("model_options", name)) if option and not prefix else json_pointer((field,))
