"""JSON that satisfies a JSON schema, its values taken from the question where it has fitting ones.

Read of a schema: `type` (a list too), `properties`, `required`, `items`, `prefixItems`, `enum`, `const`, `default`, `anyOf`, `oneOf`,
`allOf`, `$ref` into the schema itself, the bounds of numbers, lengths of strings and lists, and the common `format`s.
"""

import math
import re
from typing import Any

from beatra_site.sandbox.answers.talk import NUMBER_WORDS, Talk

# A schema that refers to itself ends here: with null, an empty list, or its required properties alone
DEEPEST = 6
READ_CHARACTERS = 2_000
# Values of one answer, and the longest list or text that a schema may ask for
MOST_VALUES = 5_000


class SchemaError(ValueError):
    """A schema that is none, or that no answer of a sensible size satisfies."""


def instance(schema: dict[str, Any] | bool, talk: Talk) -> Any:
    """A value for the schema. Raises SchemaError."""
    try:
        return _Filler(schema if isinstance(schema, dict) else {}, talk).value(schema, name="", depth=0)
    except (TypeError, AttributeError, KeyError, ValueError, ArithmeticError, RecursionError) as error:
        raise SchemaError(f"Invalid schema: {type(error).__name__}") from None


class _Filler:
    """Fills one schema; numbers of the question are given out in order."""

    def __init__(self, root: dict[str, Any], talk: Talk) -> None:
        self._root = root
        self._talk = talk
        self._made = 0
        # Values stand near the start; the patterns below take the square of a text's length
        self._text = text = talk.question[:READ_CHARACTERS]
        for word in set(re.findall(r"[a-z]+", text.lower())) & NUMBER_WORDS.keys():
            if word != "one":
                text = re.sub(rf"\b{word}\b", str(NUMBER_WORDS[word]), text, flags=re.IGNORECASE)
        self._numbers = [float(found) for found in re.findall(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w-])", text)]

    def value(self, schema: dict[str, Any] | bool, *, name: str, depth: int) -> Any:
        if not isinstance(schema, dict):
            return self._string({}, name)
        schema = self._resolved(schema)
        self._made += 1
        if self._made > MOST_VALUES or max(schema.get("minItems", 0), schema.get("minLength", 0)) > MOST_VALUES:
            raise ValueError("too large")
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._one_of(schema["enum"])
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            kept = [choice for choice in choices if self._resolved(choice).get("type") != "null"] or choices
            if depth >= DEEPEST and len(kept) < len(choices):
                return None
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
            return self.value({**rest, **self._resolved(kept[0])}, name=name, depth=depth)
        match self._type(schema, depth):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._string(schema, name)
            case "integer":
                return self._number(schema, whole=True)
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return not re.search(r"\b(?:no|not|never|without)\b", self._talk.plain)
            case _:
                return None

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        for _ in range(DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            found: Any = self._root
            for step in reference.lstrip("#/").split("/") if reference.strip("#/") else []:
                found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, dict) else {}
            schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
        for part in schema.get("allOf", ()):
            resolved = self._resolved(part)
            joined = {**schema, **resolved}
            joined["properties"] = {**schema.get("properties", {}), **resolved.get("properties", {})}
            joined["required"] = [*schema.get("required", []), *resolved.get("required", [])]
            joined.pop("allOf", None)
            schema = {key: value for key, value in joined.items() if value not in ({}, []) or key not in ("properties", "required")}
        return schema

    def _type(self, schema: dict[str, Any], depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = "null" if depth >= DEEPEST and "null" in kind else next((one for one in kind if one != "null"), "null")
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
        return str(kind)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        names = [*properties, *(name for name in required if name not in properties)]
        if depth >= DEEPEST:
            names = [name for name in names if name in required]
        return {name: self.value(properties.get(name, {}), name=name, depth=depth + 1) for name in names}

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        fixed, item = schema.get("prefixItems", []), schema.get("items", {})
        most = schema.get("maxItems")
        listed = self._listed(item)
        many = max(schema.get("minItems", 0), len(fixed), 0 if depth >= DEEPEST else len(listed) or 2)
        many = many if most is None else min(many, most)
        values: list[Any] = []
        for place, kind in enumerate([*fixed, *[item] * many][:many]):
            if place < len(listed) and place >= len(fixed):
                value: Any = self._sized(listed[place], self._resolved(item))
            else:
                value = self.value(kind, name=name.removesuffix("s"), depth=depth + 1)
            values.append(self._distinct(value, place, kind, values))
        return values

    def _listed(self, item: Any) -> list[str]:
        """What the question lists by commas, for an array of free strings."""
        kind = self._resolved(item) if isinstance(item, dict) else {}
        if kind.get("type") != "string" or kind.keys() & {"enum", "const", "format", "pattern"}:
            return []
        parts = [part.strip(" .?!\"'") for part in re.split(r",(?: and)? |;| and ", self._text.rpartition(": ")[2])]
        return list(dict.fromkeys(part for part in parts if 0 < len(part) <= 60))[:10] if len(parts) > 1 else []

    def _distinct(self, value: Any, place: int, kind: Any, before: list[Any]) -> Any:
        if value not in before:
            return value
        kind = self._resolved(kind) if isinstance(kind, dict) else {}
        if isinstance(kind.get("enum"), list):
            return next((one for one in kind["enum"] if one not in before), value)
        if isinstance(value, str) and not kind.keys() & {"format", "pattern", "const"}:
            return self._sized(f"{place + 1} {value}", kind)
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and not kind.keys() & {"maximum", "exclusiveMaximum", "multipleOf"}
        ):
            return value + place
        return value

    def _one_of(self, choices: list[Any]) -> Any:
        words = set(re.findall(r"\w+", self._talk.plain))
        said = [choice for choice in choices if isinstance(choice, str) and (choice.lower() in words or choice.lower() in self._talk.plain)]
        return (said or choices)[0]

    def _number(self, schema: dict[str, Any], *, whole: bool) -> int | float:
        step = schema.get("multipleOf")
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        if "exclusiveMinimum" in schema and "minimum" not in schema and low is not None:
            low = low + (1 if whole else step or 0.5)
        if "exclusiveMaximum" in schema and "maximum" not in schema and high is not None:
            high = high - (1 if whole else step or 0.5)
        fitting = (
            value
            for value in self._numbers
            if (low is None or value >= low) and (high is None or value <= high) and (not whole or value.is_integer())
        )
        value = next(fitting, None)
        if value is not None:
            self._numbers.remove(value)
        else:
            value = float(low if low is not None else 1)
        if low is not None and high is not None and low > high:
            value = (schema.get("exclusiveMinimum", low) + schema.get("exclusiveMaximum", high)) / 2
        elif high is not None:
            value = min(value, high)
        if step:
            value = math.ceil(value / step) * step if low is not None or high is None else math.floor(value / step) * step
        return int(value) if whole or float(value).is_integer() else value

    def _string(self, schema: dict[str, Any], name: str) -> str:
        return self._sized(self._formatted(schema.get("format", ""), name.lower()), schema)

    def _sized(self, text: str, schema: dict[str, Any]) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        if len(text) < least:
            text = (f"{text} " * (least // (len(text) + 1) + 1))[:least]
        return text if most is None else text[:most]

    def _formatted(self, form: str, name: str) -> str:
        talk, now = self._talk, self._talk.now
        fixed = {
            "date": f"{now:%Y-%m-%d}",
            "time": f"{now:%H:%M:%SZ}",
            "date-time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "uuid": "00000000-0000-4000-8000-000000000001",
            "ipv4": "192.0.2.1",
            "ipv6": "2001:db8::1",
            "hostname": "example.com",
        }
        email = re.search(r"[\w.+-]+@[\w-]+\.[\w.]*\w", self._text)
        url = re.search(r"https?://[^\s\"'<>)]+", self._text)
        if form == "email" or "email" in name:
            return email[0] if email else "someone@example.com"
        if form in ("uri", "url") or name in ("url", "link", "uri"):
            return url[0] if url else "https://example.com"
        if form in fixed or name in fixed:
            return fixed.get(form) or fixed[name]
        if re.search(r"city|location|place|country|town|destination|where", name) and (found := PLACE.search(self._text)):
            return found[1]
        if "unit" in name:
            return "celsius"
        if re.search(r"name|person|who|author|title", name) and (found := NAMED.search(self._text)):
            return next(group for group in found.groups() if group)
        return talk.quoted() or talk.topic()


PLACE = re.compile(r"\b(?:in|at|to|for|of|from|near)(?: the)? ([A-Z][\w'-]+(?:[ -](?:[A-Z][\w'-]+|de|la|of))*(?:, [A-Z]\w+)?)")
NAMED = re.compile(
    r"\b(?:name is|named|called|is|am|for) ([A-Z][\w-]+(?: [A-Z][\w-]+)*)|\b([A-Z][\w-]+ [A-Z][\w-]+)\b|(?<=[a-z] )([A-Z][\w-]+)\b"
)
