"""Function tools: offered in a request, called in an assistant's message. As OpenAI's chat completions reference has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from contract.invalid import OWN_WORDS
from contract.strict_types import Flag, Inner, JsonObject, Text, not_offered

_NAME = r"^[a-zA-Z0-9_-]{1,64}$"


class FunctionCall(Inner):
    name: Text
    arguments: Text
    """The arguments as JSON text, as the model wrote them."""


class ToolCall(Inner):
    id: Text
    type: Annotated[Literal["function"], BeforeValidator(lambda value: "function" if value is None else value)] = "function"
    function: FunctionCall


class Function(Inner):
    name: Annotated[Text, Field(pattern=_NAME)]
    description: Text | None = None
    """What the function does: the model decides by it when to call."""
    parameters: JsonObject | None = None
    """The arguments as a JSON Schema object; none for a function without arguments."""
    strict: Flag | None = None
    """Whether the arguments must follow the schema exactly."""


class FunctionTool(Inner):
    type: Literal["function"]
    function: Function


Tool = Annotated[FunctionTool, not_offered("custom", what="a custom tool; beatra takes function tools only")]


class FunctionName(Inner):
    name: Text


class NamedTool(Inner):
    type: Literal["function"]
    function: FunctionName


def _word_or_object(value: Any) -> str | None:
    return "word" if isinstance(value, str) else "tool" if isinstance(value, dict | NamedTool) else None


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("word")]
    | Annotated[NamedTool, not_offered("allowed_tools", "custom", what="a choice beatra does not have; name one function"), Tag("tool")],
    Discriminator(_word_or_object, custom_error_type=OWN_WORDS, custom_error_message='must be "none", "auto", "required" or a function'),
]
