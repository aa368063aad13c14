"""Messages and their content, as OpenAI's chat completions reference has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from chat.image_urls import checked_url
from chat.tools import ToolCall
from contract.invalid import OWN_WORDS
from contract.strict_types import Inner, Text, not_offered

# Content


class TextPart(Inner):
    type: Literal["text"]
    text: Text


class RefusalPart(Inner):
    type: Literal["refusal"]
    refusal: Text


def _image_url(url: str) -> str:
    try:
        return checked_url(url)
    except ValueError as error:
        raise PydanticCustomError(OWN_WORDS, "{words}", {"words": str(error)}) from None


class ImageUrl(Inner):
    url: Annotated[Text, AfterValidator(_image_url), Field(json_schema_extra={"pattern": "^(https://|data:image/)"})]
    """An https address, or the image itself as `data:image/png;base64,...` (PNG, JPEG, GIF or WebP, at most 8 MiB)."""
    detail: Literal["auto", "low", "high"] | None = None
    """How closely the model looks, where it knows the difference."""


class ImagePart(Inner):
    type: Literal["image_url"]
    image_url: ImageUrl


def _string_or_parts(value: Any) -> str | None:
    return "string" if isinstance(value, str) else "parts" if isinstance(value, list) else None


_string_or_list = Discriminator(
    _string_or_parts, custom_error_type=OWN_WORDS, custom_error_message="must be a string or a list of content parts"
)
# Choices between shapes are aliases with a name, so that the API document has the name too
UserPart = TypeAliasType(
    "UserPart",
    Annotated[
        TextPart | ImagePart,
        Field(discriminator="type"),
        not_offered("input_audio", "file", what="a content part beatra does not have; there are text and image_url"),
    ],
)
AssistantPart = TypeAliasType("AssistantPart", Annotated[TextPart | RefusalPart, Field(discriminator="type")])
String = Annotated[Text, Tag("string")]
TextContent = Annotated[String | Annotated[list[TextPart], Field(min_length=1), Tag("parts")], _string_or_list]
UserContent = Annotated[String | Annotated[list[UserPart], Field(min_length=1), Tag("parts")], _string_or_list]
AssistantContent = Annotated[String | Annotated[list[AssistantPart], Field(min_length=1), Tag("parts")], _string_or_list]


# Messages


class SystemMessage(Inner):
    """What the model is to be and to do, by the developer of the app."""

    role: Literal["system", "developer"]
    content: TextContent
    name: Text | None = None


class UserMessage(Inner):
    """What the user says and shows."""

    role: Literal["user"]
    content: UserContent
    name: Text | None = None


class AssistantMessage(Inner):
    """An earlier answer. Whatever beatra emits in a message is accepted in one, so it can be sent back as it came."""

    role: Literal["assistant"]
    content: AssistantContent | None = None
    """Its words; null where it only called tools, refused or thought."""
    name: Text | None = None
    refusal: Text | None = None
    reasoning_content: Text | None = None
    """What the model thought, as it came with the answer."""
    tool_calls: list[ToolCall] | None = None

    @property
    def says_nothing(self) -> bool:
        """Whether this can't have been an answer: those have at least a `content`, though it may be null."""
        given = self.model_fields_set
        return "content" not in given and not self.tool_calls and self.refusal is None and self.reasoning_content is None


class ToolMessage(Inner):
    """What a tool answered to a call of the model's."""

    role: Literal["tool"]
    content: TextContent
    tool_call_id: Text
    """The `id` of the call it answers."""


Message = TypeAliasType("Message", Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")])
