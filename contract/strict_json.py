"""JSON as the contract takes it: one object, UTF-8, and nothing that two readers could read differently.

Refused: invalid UTF-8 and a byte order mark, NaN and Infinity, numbers beyond a double (1e400) or beyond 64 bits, NUL
characters, lone surrogates, duplicate keys, more than `JSON_DEPTH` levels or about `JSON_VALUES` values, and anything but an object
at the top.

The fast path is the standard library's C scanner with hooks that only say yes or no; a refused body is read a second time to
say where.
"""

import asyncio
import json
import math
from collections.abc import Iterator
from typing import Any, Never

import orjson

from contract.errors import ApiError, FieldError
from contract.json_pointer import pointer
from contract.limits import JSON_DEPTH, JSON_VALUES

INLINE_BYTES = 256 * 1024
"""Bodies above this are parsed in a thread by `read`, so that the event loop goes on."""

WANTED = "The body must be JSON, sent with 'Content-Type: application/json'."
"""What a 415 says."""

_MAX_ERRORS = 20
_MAX_POINTER = 1000
_MAX_NAME = 100
_INT64 = range(-(2**63), 2**64)


class _OddError(Exception):
    """Something in the body is not as it should be; what and where is found in a second reading."""


class _Wrong:
    """Stands in the second reading's tree where something is wrong."""

    def __init__(self, message: str) -> None:
        self.message = message


def loads(body: bytes | bytearray | memoryview) -> dict[str, Any]:
    """The body as a dict. Raises ApiError invalid_request whose `param` is the JSON Pointer of the first wrong place."""
    try:
        text = str(body, "utf-8")
    except UnicodeDecodeError as error:
        raise ApiError("invalid_request", f"The body is not valid UTF-8 at byte {error.start}.") from None
    if text.startswith("\ufeff"):
        raise ApiError("invalid_request", "The body starts with a byte order mark.")
    if len(text) > JSON_VALUES and text.count("{") + text.count("[") + text.count(",") > JSON_VALUES:
        raise ApiError("invalid_request", f"The body has too many values: more than {JSON_VALUES} of the characters '{{', '[' and ','.")
    try:
        value = _fast.decode(text)
        if _is_odd(text, value):
            raise _OddError
    except json.JSONDecodeError as error:
        raise ApiError("invalid_request", f"The body is not valid JSON: {_reason(error)}") from None
    except RecursionError:
        raise ApiError("invalid_request", f"The body is nested deeper than {JSON_DEPTH} levels.") from None
    except _OddError:
        raise _located(text) from None
    if not isinstance(value, dict):
        raise ApiError("invalid_request", "The body must be a JSON object.", param="")
    return value


async def read(body: bytes) -> dict[str, Any]:
    """`loads`, in a thread where the body is large: a 32 MiB one takes 0.05 to 5 seconds, by how many values it holds.

    The C scanner holds the interpreter's lock while it reads one string, and gives it up at every object.
    """
    if len(body) <= INLINE_BYTES:
        return loads(body)
    return await asyncio.to_thread(loads, body)


def _reason(error: json.JSONDecodeError) -> str:
    # the messages of json are fixed texts, none quotes the body
    return f"{error.msg} at line {error.lineno}, column {error.colno}."


def _is_odd(text: str, value: Any) -> bool:
    """Whether the tree holds a NUL, a lone surrogate or too many levels. Substring searches settle it for most bodies."""
    if "\\u0000" in text:
        return next(_problems(value), None) is not None
    if "\\ud" in text or "\\uD" in text:
        try:
            orjson.dumps(value)
        except TypeError:  # it writes no surrogates, and is quicker than a walk
            return True
    return text.count("{") + text.count("[") > JSON_DEPTH and _is_too_deep(value)


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(JSON_DEPTH):
        level = [
            inner
            for container in level
            for inner in (container.values() if isinstance(container, dict) else container)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


# The fast path's hooks: C speed but for one Python call per object and per number


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _OddError
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _OddError
    return value


def _int(text: str) -> int:
    if len(text) < 19:
        return int(text)
    if len(text) > 20 or (value := int(text)) not in _INT64:
        raise _OddError
    return value


def _constant(text: str) -> Never:
    raise _OddError


_fast = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_float, parse_int=_int, parse_constant=_constant)


# The second reading, of refused bodies only: the same hooks leave a _Wrong in the tree where they would have raised


def _pairs_marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, inner in pairs:
        value[key] = _Wrong(_twice(key)) if key in value else inner
    return value


def _twice(key: str) -> str:
    name = key[:_MAX_NAME]
    return f"The field '{name}' is given twice." if name.isprintable() else "A field is given twice."


def _number_marked(read_number: Any) -> Any:
    def read(text: str) -> Any:
        try:
            return read_number(text)
        except _OddError:
            return _Wrong("The number is out of range.")

    return read


def _constant_marked(text: str) -> _Wrong:
    return _Wrong(f"{text} is not a number in JSON.")


_marking = json.JSONDecoder(
    object_pairs_hook=_pairs_marked,
    parse_float=_number_marked(_float),
    parse_int=_number_marked(_int),
    parse_constant=_constant_marked,
)


def _located(text: str) -> ApiError:
    errors: list[FieldError] = []
    try:
        for path, message in _problems(_marking.decode(text)):
            errors.append({"param": pointer(path)[:_MAX_POINTER], "message": message})
            if len(errors) == _MAX_ERRORS:
                break
    except json.JSONDecodeError as error:
        return ApiError("invalid_request", f"The body is not valid JSON: {_reason(error)}")
    return ApiError("invalid_request", errors=errors)


def _problems(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every wrong place of a tree in the order of the document, as its path and what to say of it."""
    if isinstance(value, _Wrong):
        yield path, value.message
    elif isinstance(value, str):
        if (message := _wrong_text(value)) is not None:
            yield path, message
    elif isinstance(value, dict | list):
        if len(path) == JSON_DEPTH:
            yield path, f"The body is nested deeper than {JSON_DEPTH} levels."
            return
        if isinstance(value, list):
            for index, inner in enumerate(value):
                yield from _problems(inner, (*path, index))
        else:
            for key, inner in value.items():
                if (message := _wrong_text(key)) is not None:
                    # the key itself can't stand in an answer
                    yield path, f"In a key: {message}"
                else:
                    yield from _problems(inner, (*path, key))


def _wrong_text(text: str) -> str | None:
    if "\0" in text:
        return "The text contains a NUL character."
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "The text contains a lone surrogate."
    return None
