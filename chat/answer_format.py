"""`response_format`: plain text, any JSON object, or JSON by a schema. As OpenAI's chat completions reference has it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from contract.strict_types import Flag, Inner, JsonObject, Text


class JsonSchema(Inner):
    name: Annotated[Text, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: Text | None = None
    """What the answer is for: the model goes by it."""
    json_schema: JsonObject | None = Field(None, alias="schema")
    """The JSON Schema of the answer."""
    strict: Flag | None = None
    """Whether the answer must follow the schema exactly."""


class TextFormat(Inner):
    type: Literal["text"]


class JsonObjectFormat(Inner):
    type: Literal["json_object"]


class JsonSchemaFormat(Inner):
    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = TypeAliasType("ResponseFormat", Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")])
