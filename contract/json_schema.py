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
    return {name: _in_order(each) for name, each in found.items()}


def flowing(text: str) -> str:
    """A docstring as Markdown: a paragraph is one line, however it was broken in the code. Lists stay as they are."""
    paragraphs = "\n".join(line.strip() for line in text.strip().split("\n")).split("\n\n")
    return "\n\n".join(each if each.startswith(("- ", "|")) else each.replace("\n", " ") for each in paragraphs)


# A bound after a validator of our own comes out under pydantic's name for it
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
# What a reader wants to know first; the rest as it comes
_FIRST = ("description", "type", "required", "properties")


def _in_order(schema: Any) -> Any:
    """A schema and those inside it, keywords by the names and in the order in which they are read best."""
    if isinstance(schema, list):
        return [_in_order(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    names = sorted(schema, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    return {_BOUNDS.get(name, name): _inside(name, schema[name]) for name in names}


def _inside(keyword: str, value: Any) -> Any:
    if keyword == "properties":
        return {name: _in_order(each) for name, each in value.items()}
    if keyword == "description":
        return flowing(value)
    return value if keyword in ("default", "examples", "enum", "const") else _in_order(value)


class _Tidy(GenerateJsonSchema):
    """No titles that repeat the name of a field, no `default: null`, and no `anyOf` where a second type will do."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        tidy = super().default_schema(schema)
        if tidy.get("default", ...) is None:
            del tidy["default"]
        return tidy

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        tidy = super().dict_schema(schema)
        for pattern, values in tidy.pop("patternProperties", {}).items():
            # says too that other names are refused, and generators know a map by it
            tidy |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        return tidy

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        if isinstance(inner.get("type"), str) and "const" not in inner:
            with_null = {"enum": [*inner["enum"], None]} if "enum" in inner else {}
            return {**inner, "type": [inner["type"], "null"], **with_null}
        if set(inner) == {"oneOf"}:
            return {"oneOf": [*inner["oneOf"], {"type": "null"}]}
        return {"anyOf": [inner, {"type": "null"}]}
