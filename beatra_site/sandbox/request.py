"""A chat-completions request as OpenAI defines it: its fields, its errors, its tokens.

Source of the wire format: OpenAI's API reference, chat completions. The fields of MiniMax and Qwen that beatra's catalog
may send stand beside OpenAI's. Unknown top-level fields are refused, as OpenAI does: a gateway that forwards its own
fields by mistake shall notice.
"""

import re
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from beatra_site.sandbox import tokens
from beatra_site.sandbox.errors import ProviderError
from beatra_site.sandbox.models import limits_of

# What OpenAI's cookbook counts beside the text: per message, per name, and to open the answer
TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
TOKENS_OF_ANSWER_START = 3
# An image by its `detail`
TOKENS_PER_IMAGE = {"low": 85, "auto": 765, "high": 765}


class Loose(BaseModel):
    """Inside messages, parts and tools unknown fields are let through."""

    model_config = ConfigDict(strict=True, extra="allow")


class ImageUrl(Loose):
    url: Annotated[str, Field(pattern=r"^(https?://\S+|data:image/[\w.+-]+;base64,.*)")]
    detail: Literal["auto", "low", "high"] = "auto"


class TextPart(Loose):
    type: Literal["text"]
    text: str


class ImagePart(Loose):
    type: Literal["image_url"]
    image_url: ImageUrl


class RefusalPart(Loose):
    type: Literal["refusal"]
    refusal: str


Part = Annotated[TextPart | ImagePart | RefusalPart, Field(discriminator="type")]


class FunctionCall(Loose):
    name: str
    arguments: str


class ToolCall(Loose):
    id: str
    type: Literal["function"]
    function: FunctionCall


class Message(Loose):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[Part], Field(min_length=1)] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    def text(self) -> str:
        """Its words, images left out."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if isinstance(part, TextPart))
        return self.content or ""

    def images(self) -> list[ImageUrl]:
        return [part.image_url for part in self.content if isinstance(part, ImagePart)] if isinstance(self.content, list) else []

    def tokens(self) -> int:
        counted = TOKENS_PER_MESSAGE + tokens.count(self.role) + tokens.count(self.text())
        counted += sum(TOKENS_PER_IMAGE[image.detail] for image in self.images())
        counted += tokens.count(self.reasoning_content or "") + tokens.count(self.refusal or "") + tokens.count(self.tool_call_id or "")
        if self.name:
            counted += TOKENS_PER_NAME + tokens.count(self.name)
        if self.tool_calls:
            counted += tokens.count(orjson.dumps([call.model_dump() for call in self.tool_calls]).decode())
        return counted


class FunctionDefinition(Loose):
    name: Annotated[str, Field(pattern=r"^[\w-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Loose):
    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(Loose):
    name: str


class NamedTool(Loose):
    type: Literal["function"]
    function: NamedFunction


class JsonSchema(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", populate_by_name=True)

    name: Annotated[str, Field(pattern=r"^[\w-]{1,64}$")]
    schema_: Annotated[dict[str, Any], Field(alias="schema")] = {}
    strict: bool | None = None


class ResponseFormat(Loose):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Loose):
    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """The body of a call."""

    model_config = ConfigDict(strict=True, extra="forbid")

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    seed: int | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    modalities: list[Literal["text"]] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    user: str | None = None
    # MiniMax's and Qwen's own
    reasoning_split: bool | None = None
    mask_sensitive_info: bool | None = None
    thinking: dict[str, Any] | None = None
    enable_thinking: bool | None = None
    thinking_budget: int | None = None
    enable_search: bool | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None

    @property
    def limit(self) -> int | None:
        """The most output tokens of one choice."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or ())

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def question(self) -> Message:
        """The last message of the user, else the last of all."""
        return next((message for message in reversed(self.messages) if message.role == "user"), self.messages[-1])

    def prompt_tokens(self) -> int:
        """The tokens of what was sent: messages, images, and tools and response format as JSON text."""
        counted = TOKENS_OF_ANSWER_START + sum(message.tokens() for message in self.messages)
        if self.tools:
            counted += tokens.count(orjson.dumps([tool.model_dump(exclude_none=True) for tool in self.tools]).decode())
        if self.response_format and self.response_format.type != "text":
            counted += tokens.count(self.response_format.model_dump_json(exclude_none=True, by_alias=True))
        return counted


def read(body: bytes) -> ChatRequest:
    """The request in a body. Raises ProviderError as OpenAI answers a bad one."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        message = "We could not parse the JSON body of your request. (The OpenAI API expects a JSON payload.)"
        raise ProviderError(400, message) from None
    try:
        request = ChatRequest.model_validate(content)
    except ValidationError as error:
        raise _invalid(error) from None
    _check_model(request)
    _check_conversation(request)
    return request


def _check_model(request: ChatRequest) -> None:
    limits = limits_of(request.model)
    if request.temperature is not None and not limits.temperature_above < request.temperature <= limits.temperature_most:
        message = f"Invalid 'temperature': this model takes values up to {limits.temperature_most:g}"
        if limits.temperature_above >= 0:
            message += f" and above {limits.temperature_above:g}"
        raise ProviderError(400, message + ".", param="temperature", code="invalid_value")


def _check_conversation(request: ChatRequest) -> None:
    open_calls: set[str] = set()
    for position, message in enumerate(request.messages):
        where = f"messages[{position}]"
        if message.role == "tool":
            if message.tool_call_id not in open_calls:
                text = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
                raise ProviderError(400, f"Invalid parameter: {text}", param=f"{where}.role")
        else:
            open_calls = {call.id for call in message.tool_calls or ()}
        if message.content is None and not (message.role == "assistant" and (message.tool_calls or message.refusal)):
            raise ProviderError(
                400, f"Invalid value for 'content': expected a string, got null. ({where})", param=f"{where}.content", code="invalid_type"
            )
        if message.role != "user" and message.images():
            raise ProviderError(400, f"Image parts belong into messages of the user. ({where})", param=f"{where}.content")
    if request.stream_options and not request.stream:
        raise ProviderError(
            400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options", code="invalid_value"
        )
    if request.top_logprobs and not request.logprobs:
        raise ProviderError(400, "'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs", code="invalid_value")
    if isinstance(request.tool_choice, NamedTool):
        named = request.tool_choice.function.name
        if named not in {tool.function.name for tool in request.tools or ()}:
            raise ProviderError(400, f"Tool choice '{named}' not found in 'tools' parameter.", param="tool_choice")
    elif request.tool_choice is not None and not request.tools:
        raise ProviderError(400, "'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    if request.response_format and request.response_format.type == "json_schema" and not request.response_format.json_schema:
        raise ProviderError(
            400,
            "Missing required parameter: 'response_format.json_schema'.",
            param="response_format.json_schema",
            code="missing_required_parameter",
        )


def _invalid(error: ValidationError) -> ProviderError:
    # Of a union every branch reports; the one that got furthest is the one that was meant
    problem = max(error.errors(), key=lambda problem: len(problem["loc"]))
    # The names of the branches stand in the location too; they are no names of fields
    steps = [step for step in problem["loc"] if isinstance(step, int) or (re.fullmatch(r"\w+", step) and step not in ("str", "NamedTool"))]
    param = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    if problem["type"] == "missing":
        return ProviderError(400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    if problem["type"] == "extra_forbidden":
        return ProviderError(400, f"Unrecognized request argument supplied: {param}", param=param, code="unknown_parameter")
    return ProviderError(400, f"Invalid value for '{param}': {problem['msg']}.", param=param or None, code="invalid_value")
