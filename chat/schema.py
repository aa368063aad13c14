"""The body of POST /v1/chat/completions: what is taken, what is refused, and with which words.

Shapes follow OpenAI's chat completions reference; contract.md, section 2, decides where beatra is stricter. Types are strict: a
string or a boolean is no number, an integral float is an integer, `null` means not given at every level. Unknown top-level fields
are refused, unknown fields deeper down are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from catalog.fields import MAX_IMAGES, pointer
from chat.messages import (
    AssistantMessage,
    Flag,
    ImagePart,
    Inner,
    Integer,
    JsonObject,
    Message,
    Number,
    Text,
    Tool,
    ToolChoice,
    UserMessage,
)
from contract.errors import ApiError, FieldError
from contract.invalid import MOST_ERRORS, invalid_fields, of_pydantic

# Fields of OpenAI's that beatra does not have: a clear word is better than "unknown".
NOT_OFFERED: Final = frozenset(
    {"audio", "function_call", "functions", "moderation", "prediction", "prompt_cache_retention", "web_search_options"}
)
# Fields that are beatra's own business: never forwarded as given, so no model can refuse them.
OURS: Final = frozenset({"metadata", "prompt_cache_key", "safety_identifier", "service_tier", "store", "user"})
MAX_TOOLS: Final = 128
MAX_STOPS: Final = 4
MAX_METADATA: Final = 16
# More of these no honest request has; a body of millions of small values must not cost seconds or gigabytes to refuse.
MAX_MESSAGES: Final = 10_000
MAX_INNER: Final = 1_000


# Answer format


class JsonSchema(Inner):
    name: Annotated[Text, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: Text | None = None
    json_schema: JsonObject | None = Field(None, alias="schema")
    strict: Flag | None = None


class TextFormat(Inner):
    type: Literal["text"]


class JsonObjectFormat(Inner):
    type: Literal["json_object"]


class JsonSchemaFormat(Inner):
    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


class StreamOptions(Inner):
    include_usage: Flag | None = None


def _string_or_strings(value: Any) -> str | None:
    return "string" if isinstance(value, str) else "strings" if isinstance(value, list) else None


Stop = Annotated[
    Annotated[Text, Tag("string")] | Annotated[Annotated[list[Text], Field(max_length=MAX_STOPS)], Tag("strings")],
    Discriminator(
        _string_or_strings, custom_error_type="stop_choice", custom_error_message="must be a string or a list of up to 4 strings"
    ),
]
Penalty = Annotated[Number, Field(ge=-2, le=2)]
MetadataKey = Annotated[str, Field(max_length=64)]
MetadataValue = Annotated[Text, Field(max_length=512)]


class ChatRequest(BaseModel):
    """The body of a chat completion. Every field but `model` and `messages` is optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[Text, Field(min_length=1, max_length=128)]
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: Flag | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[Integer, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[Integer, Field(ge=1)] | None = None
    n: Annotated[Integer, Field(ge=1, le=8)] | None = None
    stop: Stop | None = None
    seed: Annotated[Integer, Field(ge=-(2**63), lt=2**63)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[Number, Field(ge=-100, le=100)]] | None = None
    logprobs: Flag | None = None
    top_logprobs: Annotated[Integer, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: Flag | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    modalities: Annotated[list[Literal["text"]], Field(min_length=1)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=MAX_METADATA)] | None = None
    store: Flag | None = None
    service_tier: Literal["auto", "default", "flex", "priority", "scale"] | None = None
    safety_identifier: Text | None = None
    prompt_cache_key: Text | None = None
    user: Text | None = None
    model_options: JsonObject | None = None

    @property
    def output_limit(self) -> int | None:
        """The caller's limit of output tokens per choice, by whichever of its two names."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def choices(self) -> int:
        return self.n or 1

    @property
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
        fields = self.model_dump(
            exclude_none=True,
            by_alias=True,
            exclude={"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "modalities", "model_options", *OURS},
        )
        for name in [name for name, value in fields.items() if _at_default(name, value)]:
            del fields[name]
        if "tools" not in fields:
            fields.pop("tool_choice", None)
            fields.pop("parallel_tool_calls", None)
        if "logprobs" not in fields:
            fields.pop("top_logprobs", None)
        return fields


def _at_default(name: str, value: Any) -> bool:
    match name:
        case "n" | "top_p":
            return bool(value == 1)
        case "frequency_penalty" | "presence_penalty":
            return bool(value == 0)
        case "logprobs":
            return value is False
        case "parallel_tool_calls":
            return value is True
        case "logit_bias" | "tools" | "stop":
            return not value
        case "response_format":
            return bool(value == {"type": "text"})
    return False


def parse(body: Mapping[str, Any]) -> ChatRequest:
    """The request in `body`, parsed JSON. Raises `ApiError` invalid_request or unsupported_option, every bad field named."""
    _check_size(body)
    if refused := sorted(NOT_OFFERED & {name for name, value in body.items() if value is not None}):
        raise unsupported(refused)
    try:
        request = ChatRequest.model_validate(
            {name: value for name, value in body.items() if value is not None or name not in NOT_OFFERED}, by_alias=True
        )
    except ValidationError as error:
        raise invalid_fields(of_pydantic(error, body)) from None
    _check_together(request)
    return request


def _check_size(body: Mapping[str, Any]) -> None:
    """Refuse what is too much to look at one by one. Raises `ApiError` invalid_request."""
    errors: list[FieldError] = []

    def check(param: str, value: Any, most: int) -> None:
        if isinstance(value, list | dict) and len(value) > most:
            errors.append({"param": param, "message": f"must have at most {most} items"})

    check("", body, MAX_INNER)
    for name, most in (("tools", MAX_TOOLS), ("stop", MAX_STOPS), ("logit_bias", MAX_INNER), ("metadata", MAX_METADATA), ("modalities", 1)):
        check(f"/{name}", body.get(name), most)
    messages = body.get("messages")
    check("/messages", messages, MAX_MESSAGES)
    if isinstance(messages, list) and not errors:
        inner = 0
        for index, message in enumerate(messages):
            for name in ("content", "tool_calls"):
                value = message.get(name) if isinstance(message, dict) else None
                check(f"/messages/{index}/{name}", value, MAX_INNER)
                inner += len(value) if isinstance(value, list) else 0
        if inner > MAX_MESSAGES and not errors:
            errors.append({"param": "/messages", "message": f"must have at most {MAX_MESSAGES} content parts and tool calls in all"})
    if errors:
        raise invalid_fields(errors[:MOST_ERRORS])


def _check_together(request: ChatRequest) -> None:
    errors: list[FieldError] = []
    if None not in (request.max_tokens, request.max_completion_tokens) and request.max_tokens != request.max_completion_tokens:
        errors.append({"param": "/max_completion_tokens", "message": "differs from max_tokens; give one of them"})
    if request.top_logprobs is not None and not request.logprobs:
        errors.append({"param": "/top_logprobs", "message": "needs logprobs: true"})
    if request.stream_options is not None and not request.stream:
        errors.append({"param": "/stream_options", "message": "needs stream: true"})
    if request.images > MAX_IMAGES:
        errors.append({"param": "/messages", "message": f"carries more than {MAX_IMAGES} images"})
    for index, message in enumerate(request.messages):
        if isinstance(message, AssistantMessage) and message.content is None and not message.tool_calls and message.refusal is None:
            errors.append({"param": f"/messages/{index}/content", "message": "is required unless tool_calls are given"})
    if errors:
        raise invalid_fields(errors)
    refused = [
        name for name, wrong in (("store", request.store), ("service_tier", request.service_tier not in (None, "auto", "default"))) if wrong
    ]
    if refused:
        raise unsupported(refused)


def unsupported(fields: Iterable[str], *, model: str | None = None) -> ApiError:
    """The refusal of fields or values that `model`, or all of beatra, does not take."""
    names = list(fields)[:MOST_ERRORS]
    listed = ", ".join(names)
    message = f"{model} does not take: {listed}." if model else f"beatra does not take: {listed}."
    return ApiError("unsupported_option", message, param=pointer(names[0]), details={"unsupported_fields": names})
