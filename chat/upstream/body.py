"""What goes up to a provider: nothing but what is named here, in the provider's dialect."""

from __future__ import annotations

from typing import Any

import orjson

from chat.upstream import UpstreamCall, dialects
from chat.upstream.dialects import Dialect

# Everything of an OpenAI body that a caller may have sent up.
FIELDS = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "messages",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "verbosity",
    }
)
# What no option of a model may be, whatever its catalog entry says.
OURS = FIELDS | {"max_completion_tokens", "max_tokens", "model", "stream", "stream_options"}


def body_of(call: UpstreamCall, *, stream: bool = False) -> bytes:
    """`call` as the body of a request in OpenAI's dialect."""
    dialect = dialects.of(call.route)
    body = {**extras_of(call, dialect=dialect), **fields_of(call, dialect=dialect), **digests_of(call, dialect=dialect)}
    body["model"] = call.route.upstream_model
    body[dialect.limit_field] = call.limit
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return orjson.dumps(body)


def fields_of(call: UpstreamCall, *, dialect: Dialect) -> dict[str, Any]:
    """The caller's own fields."""
    fields = {name: value for name, value in call.fields.items() if name in FIELDS}
    fields["messages"] = [
        _message(message, dialect=dialect) if message["role"] == "developer" or "reasoning_content" in message else message
        for message in fields["messages"]
    ]
    return fields


def extras_of(call: UpstreamCall, *, dialect: Dialect) -> dict[str, Any]:
    """What is no field of OpenAI's: the model's options, and what the provider is always told."""
    return {**{name: value for name, value in call.options.items() if name not in OURS}, **dialect.always}


def digests_of(call: UpstreamCall, *, dialect: Dialect) -> dict[str, str]:
    """Who asks, where the provider has a field for it."""
    digests = {dialect.end_user_field: call.end_user, dialect.cache_key_field: call.cache_key}
    return {field: digest for field, digest in digests.items() if field and digest}


def _message(message: dict[str, Any], *, dialect: Dialect) -> dict[str, Any]:
    said = dict(message)
    if said["role"] == "developer" and not dialect.developer_role:
        said["role"] = "system"
    reasoning = said.pop("reasoning_content", None)
    if reasoning and dialect.reasoning_field:
        said[dialect.reasoning_field] = (
            [{"type": "reasoning.text", "text": reasoning}] if dialect.reasoning_field == "reasoning_details" else reasoning
        )
    return said
