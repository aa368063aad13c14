"""Strategies made from a JSON schema, and bodies made wrong on purpose."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Path = tuple[str | int, ...]
TEXT = st.text(max_size=12)
NAME = st.text(min_size=1, max_size=8)

JUNK: SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(
        [2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -0.0, "", "\0", "\ud800", "null", "1", "true", "https://", "data:image/png;base64,"]
    )
    | st.text(st.characters(), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)


def from_schema(schema: Mapping[str, Any], *, known: Mapping[str, SearchStrategy[Any]]) -> SearchStrategy[Any]:
    """Values that `schema`, as pydantic writes it, calls right. `known` has strategies of its own for properties by their name."""
    definitions = schema.get("$defs", {})

    def of(schema: Mapping[str, Any]) -> SearchStrategy[Any]:
        match schema:
            case {"$ref": str(reference)}:
                return st.deferred(lambda: of(definitions[reference.rpartition("/")[2]]))
            case {"const": value}:
                return st.just(value)
            case {"enum": values}:
                return st.sampled_from(values)
            case {"anyOf": choices} | {"oneOf": choices}:
                return st.one_of([of(choice) for choice in choices])
            case {"type": "string", "pattern": pattern}:
                return st.from_regex(pattern, fullmatch=True, alphabet=st.characters(max_codepoint=127))
            case {"type": "string"}:
                return st.text(min_size=schema.get("minLength", 0), max_size=12)
            case {"type": "integer"}:
                whole = st.integers(schema.get("minimum"), schema.get("maximum"))
                return whole | st.integers(schema.get("minimum"), 64).map(float) if schema.get("minimum", 65) <= 64 else whole
            case {"type": "number"}:
                return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)
            case {"type": "boolean"}:
                return st.booleans()
            case {"type": "null"}:
                return st.none()
            case {"type": "array"}:
                return st.lists(of(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
            case {"type": "object", "properties": properties}:
                required = set(schema.get("required", ()))
                values = {name: known[name] if name in known else of(inner) for name, inner in properties.items()}
                return st.fixed_dictionaries(
                    {name: values[name] for name in values if name in required},
                    optional={name: values[name] for name in values if name not in required},
                )
            case {"type": "object", "patternProperties": patterns}:
                ((pattern, inner),) = patterns.items()
                return st.dictionaries(of({"type": "string", "pattern": pattern}), of(inner), max_size=3)
            case {"type": "object"}:
                inner = schema.get("additionalProperties")
                names = of({"type": "string", **schema["propertyNames"]}) if "propertyNames" in schema else NAME
                return st.dictionaries(names, of(inner) if isinstance(inner, dict) else TEXT, max_size=3)
        return JUNK

    return of(schema)


@st.composite
def spoiled(draw: DrawFn, values: SearchStrategy[Any]) -> Any:
    """One of `values` with one to three of its places replaced, removed, nulled or added to."""
    value = copy.deepcopy(draw(values))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            return draw(JUNK)
        container, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "replace", "remove", "null", "add"])):
            case "replace":
                container[key] = draw(JUNK)
            case "remove":
                del container[key]
            case "null":
                container[key] = None
            case "add" if isinstance(container, dict):
                container[draw(NAME)] = draw(JUNK)
            case _:
                container.append(draw(JUNK))
    return value


@st.composite
def garbled(draw: DrawFn, values: SearchStrategy[Any]) -> bytes:
    """The JSON of one of `values` with a few bytes put in place of others."""
    text = json.dumps(draw(values)).encode()
    start = draw(st.integers(0, len(text)))
    end = min(len(text), start + draw(st.integers(0, 4)))
    return text[:start] + draw(st.binary(max_size=4) | st.sampled_from([b"NaN", b"\\u0000", b"\\ud800", b'"n":1,', b"[[[["])) + text[end:]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(inner)
