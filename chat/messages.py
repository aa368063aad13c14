"""Messages, tools and their values, as OpenAI's chat completions reference has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Integer = Annotated[int, BeforeValidator(_integral), Field(strict=True)]
Number = Annotated[float, Field(strict=True)]
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
JsonObject = dict[str, Any]


class Inner(BaseModel):
    """Anything below the top level: fields we don't know are dropped, never forwarded."""

    model_config = ConfigDict(extra="ignore", frozen=True)


# Content


class TextPart(Inner):
    type: Literal["text"]
    text: Text


class RefusalPart(Inner):
    type: Literal["refusal"]
    refusal: Text


class ImageUrl(Inner):
    url: Annotated[Text, Field(pattern=r"^(https://|data:image/)")]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Inner):
    type: Literal["image_url"]
    image_url: ImageUrl


def _string_or_parts(value: Any) -> str | None:
    return "string" if isinstance(value, str) else "parts" if isinstance(value, list) else None


_string_or_list = Discriminator(
    _string_or_parts, custom_error_type="content_choice", custom_error_message="must be a string or a list of content parts"
)
UserPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]
AssistantPart = Annotated[TextPart | RefusalPart, Field(discriminator="type")]
String = Annotated[Text, Tag("string")]
TextContent = Annotated[String | Annotated[list[TextPart], Field(min_length=1), Tag("parts")], _string_or_list]
UserContent = Annotated[String | Annotated[list[UserPart], Field(min_length=1), Tag("parts")], _string_or_list]
AssistantContent = Annotated[String | Annotated[list[AssistantPart], Field(min_length=1), Tag("parts")], _string_or_list]


# Tools


class FunctionCall(Inner):
    name: Text
    arguments: Text


class ToolCall(Inner):
    id: Text
    type: Literal["function"] = "function"
    function: FunctionCall


class Function(Inner):
    name: Annotated[Text, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: Text | None = None
    parameters: JsonObject | None = None
    strict: Flag | None = None


class Tool(Inner):
    type: Literal["function"]
    function: Function


class FunctionName(Inner):
    name: Text


class NamedTool(Inner):
    type: Literal["function"]
    function: FunctionName


def _word_or_object(value: Any) -> str | None:
    return "word" if isinstance(value, str) else "tool" if isinstance(value, dict) else None


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("word")] | Annotated[NamedTool, Tag("tool")],
    Discriminator(
        _word_or_object, custom_error_type="tool_choice", custom_error_message='must be "none", "auto", "required" or a function'
    ),
]


# Messages


class SystemMessage(Inner):
    role: Literal["system", "developer"]
    content: TextContent
    name: Text | None = None


class UserMessage(Inner):
    role: Literal["user"]
    content: UserContent
    name: Text | None = None


class AssistantMessage(Inner):
    """Whatever beatra emits in a message is accepted in one, so that a caller can send an answer back as it came."""

    role: Literal["assistant"]
    content: AssistantContent | None = None
    name: Text | None = None
    refusal: Text | None = None
    reasoning_content: Text | None = None
    tool_calls: list[ToolCall] | None = None


class ToolMessage(Inner):
    role: Literal["tool"]
    content: TextContent
    tool_call_id: Text


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]
