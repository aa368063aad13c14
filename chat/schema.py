"""The body of POST /v1/chat/completions: what is taken, what is refused, and with which words.

Shapes follow OpenAI's chat completions reference; contract.md, section 2, decides where beatra is stricter. Types are strict: a
string or a boolean is no number, an integral float is an integer, `null` means not given at every level. Unknown top-level fields
are refused, unknown fields deeper down are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictInt, Tag, ValidationError

from catalog.fields import pointer
from chat.answer_format import ResponseFormat
from chat.body_size import check_size
from chat.messages import AssistantMessage, ImagePart, Message, UserMessage
from chat.tools import NamedTool, Tool, ToolChoice
from contract import limits
from contract.errors import ApiError, FieldError
from contract.invalid import MOST_ERRORS, NOT_OFFERED, OWN_WORDS, invalid_fields, of_pydantic, sentence
from contract.strict_types import AS_INTEGER, INTEGRAL, WITHOUT_NULLS, Flag, Inner, Metadata, Number, Text, not_offered

# Fields of OpenAI's that beatra does not have: a clear word is better than "unknown".
FIELDS_NOT_OFFERED: Final = frozenset(
    {
        "audio",
        "function_call",
        "functions",
        "moderation",
        "prediction",
        "prompt_cache_options",
        "prompt_cache_retention",
        "web_search_options",
    }
)
# Fields that are beatra's own business: never forwarded as given, so no model can refuse them.
OURS: Final = frozenset({"metadata", "prompt_cache_key", "safety_identifier", "service_tier", "store", "user"})
_NOT_FORWARDED: Final = {"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "modalities", "model_options", *OURS}


class StreamOptions(Inner):
    include_usage: Flag | None = None
    """Whether the usage, credits included, comes in a chunk of its own at the end; else it rides on the last finish_reason chunk."""


def _string_or_strings(value: Any) -> str | None:
    return "string" if isinstance(value, str) else "strings" if isinstance(value, list) else None


Stop = Annotated[
    Annotated[Text, Tag("string")] | Annotated[Annotated[list[Text], Field(max_length=limits.STOPS)], Tag("strings")],
    Discriminator(
        _string_or_strings, custom_error_type=OWN_WORDS, custom_error_message=f"must be a string or a list of up to {limits.STOPS} strings"
    ),
]
Penalty = Annotated[Number, Field(ge=-2, le=2)]
TokenId = Annotated[str, Field(pattern=r"^[0-9]{1,10}$")]
Bias = Annotated[Number, Field(ge=-100, le=100), AS_INTEGER]
OptionName = Annotated[str, Field(max_length=64)]
Modality = Annotated[Literal["text"], not_offered("audio", what="an output beatra does not have; there is text")]


class ChatRequest(BaseModel):
    """The body of a chat completion. Every field but `model` and `messages` is optional, and `null` means not given."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"model": "auto", "messages": [{"role": "user", "content": "Say hi in five words."}]}]},
    )

    model: Annotated[Text, Field(min_length=1, max_length=128, examples=["auto", "MiniMax-M2.7"])]
    """The id of a model, or `auto`: the first model, in our order, that takes every field of the request."""
    messages: Annotated[list[Message], Field(min_length=1)]
    """The conversation so far, oldest first. At most 20 images in all."""
    stream: Flag | None = None
    """Whether the answer comes in chunks as it is written, as server-sent events."""
    stream_options: StreamOptions | None = None
    """Only with `stream`."""
    temperature: Annotated[Number, Field(ge=0, le=2, examples=[0.7])] | None = None
    """How freely the model picks its words. Raised to the model's least; above its most it is refused."""
    top_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    """Only the likeliest words that make up this share are picked from. 1 by default."""
    max_tokens: Annotated[StrictInt, Field(ge=1), INTEGRAL] | None = None
    """The older name of `max_completion_tokens`. Both may be given if they are equal."""
    max_completion_tokens: Annotated[StrictInt, Field(ge=1, examples=[500]), INTEGRAL] | None = None
    """The most tokens of output, for each choice. The model's `default_output_tokens` by default, never above its maximum. The hold
    that secures a call is worked out with it."""
    n: Annotated[StrictInt, Field(ge=1, le=8), INTEGRAL] | None = None
    """How many choices to answer with; all are paid. 1 by default."""
    stop: Stop | None = None
    """Up to 4 texts; the answer ends before the first of them."""
    seed: Annotated[StrictInt, Field(ge=-(2**63), le=2**63 - 1), INTEGRAL] | None = None
    """A hint: where the model knows seeds, the same request with the same seed tends to the same answer."""
    frequency_penalty: Penalty | None = None
    """Above 0, words are the less likely the more often they came. 0 by default."""
    presence_penalty: Penalty | None = None
    """Above 0, words that came already are less likely. 0 by default."""
    logit_bias: Annotated[dict[TokenId, Bias], WITHOUT_NULLS] | None = None
    """By token id, from -100 (never) to 100 (only)."""
    logprobs: Flag | None = None
    """Whether the answer carries the log probabilities of its tokens."""
    top_logprobs: Annotated[StrictInt, Field(ge=0, le=20), INTEGRAL] | None = None
    """How many of the likeliest tokens stand beside each. Only with `logprobs`. An answer carries at most 100,000 log probabilities: with
    `logprobs`, `n` times the output limit times (1 + `top_logprobs`) must not be more. The output limit is the one you ask for, or the
    model's default."""
    tools: Annotated[list[Tool], Field(max_length=limits.TOOLS)] | None = None
    """The functions that the model may call."""
    tool_choice: ToolChoice | None = None
    """Whether the model calls a tool: as it thinks best (`auto`, by default), `none`, `required`, or one function by name."""
    parallel_tool_calls: Flag | None = None
    """Whether it may call several at once. True by default."""
    response_format: ResponseFormat | None = None
    """What the answer is: text by default, any JSON object, or JSON by a schema."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    """How long the model thinks, where it can be told."""
    verbosity: Literal["low", "medium", "high"] | None = None
    """How much the model says, where it can be told. `medium` by default."""
    modalities: Annotated[list[Modality], Field(min_length=1)] | None = None
    """What the answer is made of: text."""
    metadata: Metadata | None = None
    """Up to 16 pairs of your own, kept on the usage record and never sent to a provider."""
    store: Flag | None = None
    """Answers are not stored: only false is taken."""
    service_tier: Literal["auto", "default", "flex", "priority", "scale", "fast"] | None = None
    """There is one tier: only auto and default are taken."""
    safety_identifier: Text | None = None
    """Your id of the end user. Providers get a digest of it that stands for nobody else's user."""
    prompt_cache_key: Text | None = None
    """Requests with the same key tend to meet the same cache, where the provider has one. Sent as a digest."""
    user: Text | None = None
    """The older name of `safety_identifier`, which wins where both are given."""
    model_options: Annotated[dict[OptionName, Any], Field(max_length=limits.MODEL_OPTIONS), WITHOUT_NULLS] | None = None
    """Options of the model's own, by the names, types and ranges that its catalog entry lists."""

    @property
    def output_limit(self) -> int | None:
        """The caller's limit of output tokens per choice, by whichever of its two names."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def choices(self) -> int:
        return self.n or 1

    @property
    def usage_apart(self) -> bool:
        """Whether the usage of a stream has a chunk of its own."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @cached_property
    def images(self) -> int:
        """How many images the messages carry."""
        return sum(
            isinstance(part, ImagePart)
            for message in self.messages
            if isinstance(message, UserMessage) and isinstance(message.content, list)
            for part in message.content
        )

    def wire(self) -> dict[str, Any]:
        """The fields that matter to a model, as OpenAI's JSON, without those at OpenAI's default.

        Neither the model's name, nor the output limit, nor what is ours alone (`OURS`), nor `stream` is among them.
        """
        fields = self.model_dump(exclude_none=True, by_alias=True, exclude=_NOT_FORWARDED)
        for name in [name for name, value in fields.items() if _at_default(name, value)]:
            del fields[name]
        if "tools" not in fields:
            fields.pop("tool_choice", None)
            fields.pop("parallel_tool_calls", None)
        if "logprobs" not in fields:
            fields.pop("top_logprobs", None)
        for message in fields["messages"]:
            if message["role"] == "assistant":
                _complete(message)
        return fields


def _at_default(name: str, value: Any) -> bool:
    match name:
        case "n" | "top_p":
            return bool(value == 1)
        case "frequency_penalty" | "presence_penalty" | "top_logprobs":
            return bool(value == 0)
        case "logprobs":
            return value is False
        case "parallel_tool_calls":
            return value is True
        case "tool_choice":
            return bool(value == "auto")
        case "verbosity":
            return bool(value == "medium")
        case "logit_bias" | "tools" | "stop":
            return not value
        case "response_format":
            return bool(value == {"type": "text"})
    return False


def _complete(message: dict[str, Any]) -> None:
    """An assistant's message as every provider takes it: with a content, null beside tool calls or a refusal, and no empty list."""
    if not message.get("tool_calls"):
        message.pop("tool_calls", None)
    if "content" not in message:
        message["content"] = None if "tool_calls" in message or "refusal" in message else ""


def parse(body: Mapping[str, Any]) -> ChatRequest:
    """The request in `body`, parsed JSON. Raises `ApiError` invalid_request or unsupported_option, every bad field named."""
    check_size(body)
    if refused := sorted(FIELDS_NOT_OFFERED & {name for name, value in body.items() if value is not None}):
        raise unsupported(refused)
    try:
        request = ChatRequest.model_validate(
            {name: value for name, value in body.items() if value is not None or name not in FIELDS_NOT_OFFERED}, by_alias=True
        )
    except ValidationError as error:
        raise _refusal(error, body) from None
    _check_together(request)
    return request


def _refusal(error: ValidationError, body: Mapping[str, Any]) -> ApiError:
    """unsupported_option if all that is wrong are things OpenAI has and beatra does not, else invalid_request."""
    errors = of_pydantic(error, body)
    details = error.errors(include_url=False, include_input=False)
    if any(detail["type"] != NOT_OFFERED for detail in details):
        return invalid_fields(errors)
    # A content part is named by its type: `messages` as such are taken
    names = (str(detail["ctx"]["name"] if detail["loc"][0] == "messages" else detail["loc"][0]) for detail in details)
    return unsupported(dict.fromkeys(names), errors=errors)


def _check_together(request: ChatRequest) -> None:
    errors: list[FieldError] = []
    if None not in (request.max_tokens, request.max_completion_tokens) and request.max_tokens != request.max_completion_tokens:
        errors.append({"param": "/max_completion_tokens", "message": "differs from max_tokens; give one of them"})
    if request.top_logprobs and not request.logprobs:
        errors.append({"param": "/top_logprobs", "message": "needs logprobs: true"})
    if request.stream_options is not None and not request.stream:
        errors.append({"param": "/stream_options", "message": "needs stream: true"})
    if request.images > limits.IMAGES:
        errors.append({"param": "/messages", "message": f"carries more than {limits.IMAGES} images"})
    if request.tools and isinstance(request.tool_choice, NamedTool):
        named = request.tool_choice.function.name
        if all(tool.function.name != named for tool in request.tools):
            errors.append({"param": "/tool_choice/function/name", "message": "must be the name of one of the tools"})
    for index, message in enumerate(request.messages):
        if isinstance(message, AssistantMessage) and message.says_nothing:
            errors.append({"param": f"/messages/{index}/content", "message": "is required unless tool_calls are given"})
    if errors:
        raise invalid_fields(errors[:MOST_ERRORS])
    refused: list[FieldError] = []
    if request.store:
        refused.append({"param": "/store", "message": "must be false: answers are not stored"})
    if request.service_tier not in (None, "auto", "default"):
        refused.append({"param": "/service_tier", "message": 'must be "auto" or "default"'})
    if refused:
        raise unsupported((error["param"].strip("/") for error in refused), errors=refused)


def unsupported(fields: Iterable[str], *, errors: list[FieldError] | None = None) -> ApiError:
    """The refusal of fields or values that no model of beatra takes. `errors` say where they stand and what is wrong with them."""
    names = list(fields)[:MOST_ERRORS]
    return ApiError(
        "unsupported_option",
        sentence(errors) if errors else f"beatra does not take: {', '.join(names)}.",
        errors=errors or [{"param": pointer(name), "message": "is not taken"} for name in names],
        details={"unsupported_fields": names},
    )
