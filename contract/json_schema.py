"""pydantic's JSON Schema, as a person and a code generator like to read it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

REF = "#/components/schemas/{model}"


def schemas(model: type[BaseModel], *, mode: JsonSchemaMode) -> dict[str, JsonSchemaValue]:
    """The JSON Schema (2020-12) of `model` and of all it is made of, by name, refs between them as an OpenAPI document has them.

    `mode` is "validation" for what we read and "serialization" for what we write.
    """
    schema = model.model_json_schema(ref_template=REF, schema_generator=_Tidy, mode=mode)
    found = {**schema.pop("$defs", {}), model.__name__: schema}
    for name, each in found.items():
        if each.get("title") == name:  # the name says it already
            del each["title"]
    return {name: _translated(each) for name, each in found.items()}


# A bound after a validator of our own comes out under pydantic's name for it
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def _translated(value: Any) -> Any:
    if isinstance(value, dict):
        return {_BOUNDS.get(name, name) if isinstance(each, int | float) else name: _translated(each) for name, each in value.items()}
    return [_translated(each) for each in value] if isinstance(value, list) else value


class _Tidy(GenerateJsonSchema):
    """No titles that repeat the name of a field, no `default: null`, and no `anyOf` where a second type will do."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        tidy = super().default_schema(schema)
        if tidy.get("default", ...) is None:
            del tidy["default"]
        return tidy

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        if isinstance(inner.get("type"), str) and "const" not in inner:
            with_null = {"enum": [*inner["enum"], None]} if "enum" in inner else {}
            return {**inner, "type": [inner["type"], "null"], **with_null}
        if set(inner) == {"oneOf"}:
            return {"oneOf": [*inner["oneOf"], {"type": "null"}]}
        return {"anyOf": [inner, {"type": "null"}]}
