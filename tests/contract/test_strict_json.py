"""Bodies that two readers could read differently are refused; all others are read as the standard library reads them."""

import asyncio
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import ApiError
from contract.limits import JSON_DEPTH, JSON_VALUES
from contract.strict_json import INLINE_BYTES, loads, read

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=10,
)


def nested(levels: int) -> bytes:
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@settings(max_examples=60)
@given(st.dictionaries(TEXT, VALUES, max_size=5), st.booleans())
def test_it_reads_a_valid_body_as_json_does(body, ascii):
    assert loads(json.dumps(body, ensure_ascii=ascii).encode()) == body


@given(st.binary(max_size=200) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_it_refuses_whatever_else_by_the_contract(body):
    try:
        assert isinstance(loads(body), dict)
    except ApiError as error:
        assert error.code == "invalid_request"
        json.dumps(error.envelope("req_1")).encode()


REFUSED = {
    "not JSON": (b"{", None),
    "nothing": (b"", None),
    "two documents": (b"{}{}", None),
    "a trailing comma": (b'{"a":1,}', None),
    "single quotes": (b"{'a':1}", None),
    "a comment": (b'{"a":1 /* one */}', None),
    "invalid UTF-8": (b'{"a":"\xff"}', None),
    "an encoded surrogate": (b'{"a":"\xed\xa0\x80"}', None),
    "UTF-16": ('{"a":1}'.encode("utf-16"), None),
    "a byte order mark": (b"\xef\xbb\xbf{}", None),
    "a raw control character": (b'{"a":"\x01"}', None),
    "a raw NUL": (b'{"a":"\x00"}', None),
    "an escaped NUL": (rb'{"a":{"b":["x\u0000"]}}', "/a/b/0"),
    "a NUL in a key": (rb'{"a":{"\u0000":1}}', "/a"),
    "a lone high surrogate": (rb'{"a":"x\ud800y"}', "/a"),
    "a lone low surrogate": (rb'{"a":"\uDC00"}', "/a"),
    "surrogates in the wrong order": (rb'{"a":"\udc00\ud800"}', "/a"),
    "NaN": (b'{"a":[1,NaN]}', "/a/1"),
    "Infinity": (b'{"a":-Infinity}', "/a"),
    "an overflowing float": (b'{"a":1e400}', "/a"),
    "an overflowing negative float": (b'{"a":-1e400}', "/a"),
    "an integer beyond 64 bits": (b'{"a":18446744073709551616}', "/a"),
    "an integer of 5000 digits": (b'{"a":' + b"1" * 5000 + b"}", "/a"),
    "a duplicate key": (b'{"model":"a","model":"b"}', "/model"),
    "a duplicate key by escape": (rb'{"a":1,"\u0061":2}', "/a"),
    "a duplicate key inside": (b'{"x":[{"a/b":1,"a/b":1}]}', "/x/0/a~1b"),
    "a level too many": (nested(JSON_DEPTH + 1), "/a" + "/0" * (JSON_DEPTH - 1)),
    "very many levels": (b"[" * 100_000, None),
    "very many closed levels": (nested(100_000), None),
    "a list": (b"[]", ""),
    "a text": (b'"a"', ""),
    "a number": (b"1", ""),
    "null": (b"null", ""),
}


@pytest.mark.parametrize(("body", "param"), REFUSED.values(), ids=REFUSED)
def test_it_refuses(body, param):
    with pytest.raises(ApiError) as refusal:
        loads(body)
    assert refusal.value.code == "invalid_request"
    assert refusal.value.param == param


TAKEN = {
    "an emoji by escape": (rb'{"a":"\ud83d\ude00"}', {"a": "😀"}),
    "an emoji": ('{"a":"😀"}'.encode(), {"a": "😀"}),
    "a backslash before u0000": (rb'{"a":"\\u0000"}', {"a": r"\u0000"}),
    "a backslash before ud800": (rb'{"a":"\\ud800"}', {"a": r"\ud800"}),
    "the same key in two objects": (b'{"a":{"b":1},"c":{"b":1}}', {"a": {"b": 1}, "c": {"b": 1}}),
    "brackets in a text": (json.dumps({"a": "[" * 1000}).encode(), {"a": "[" * 1000}),
    "white space around": (b' \n{"a" : 1}\t', {"a": 1}),
    "the largest integers": (b'{"a":[-9223372036854775808,18446744073709551615]}', {"a": [-(2**63), 2**64 - 1]}),
    "a tiny number": (b'{"a":1e-400}', {"a": 0.0}),
}


@pytest.mark.parametrize(("body", "value"), TAKEN.values(), ids=TAKEN)
def test_it_takes(body, value):
    assert loads(body) == value


def test_it_takes_the_deepest_body_allowed():
    assert "a" in loads(nested(JSON_DEPTH))


def test_an_integral_float_stays_a_float():
    assert math.isclose(loads(b'{"a":1.0}')["a"], 1.0)
    assert isinstance(loads(b'{"a":1.0}')["a"], float)


def test_it_names_every_wrong_place():
    with pytest.raises(ApiError) as refusal:
        loads(rb'{"a":1e999,"b":{"c":[NaN,"\u0000"]},"d":1,"d":2}')
    assert [wrong["param"] for wrong in refusal.value.details["errors"]] == ["/a", "/b/c/0", "/b/c/1", "/d"]


def test_a_large_body_leaves_the_event_loop_free():
    body = json.dumps({"a": [{"b": 1}] * (INLINE_BYTES // 4)}).encode()

    async def turns_while_reading() -> int:
        reading = asyncio.ensure_future(read(body))
        turns = 0
        while not reading.done():
            await asyncio.sleep(0)
            turns += 1
        assert len((await reading)["a"]) == INLINE_BYTES // 4
        return turns

    # read on the loop itself, it would be done at the first turn
    assert asyncio.run(turns_while_reading()) > 2


def test_a_large_bad_body_is_refused_alike():
    body = b'{"a":"' + b"x" * INLINE_BYTES + b'","b":1,"b":2}'
    with pytest.raises(ApiError) as refusal:
        asyncio.run(read(body))
    assert refusal.value.param == "/b"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (b"model", "The field 'model' is given twice."),
        (b"x" * 5000, f"The field '{'x' * 100}' is given twice."),
        (rb"\u001b[2J", "A field is given twice."),
    ],
    ids=["a name", "a long one", "one that can't be shown"],
)
def test_a_field_given_twice_is_named(name, words):
    with pytest.raises(ApiError) as refusal:
        loads(b'{"%b":1,"%b":2}' % (name, name))
    assert refusal.value.message == words


@pytest.mark.parametrize("value", [b"{}", b"[]", b"1"], ids=["objects", "lists", "numbers"])
def test_it_refuses_too_many_values_unread(value: bytes):
    # not even the end of it is JSON: it was counted, not read
    body = b'{"a":[' + (value + b",") * JSON_VALUES
    with pytest.raises(ApiError) as caught:
        loads(body)
    assert (caught.value.code, "too many values" in caught.value.message) == ("invalid_request", True)


def test_it_takes_as_many_values_as_it_says():
    body = b'{"a":[' + b"1," * (JSON_VALUES - 2) + b"1]}"
    assert len(loads(body)["a"]) == JSON_VALUES - 1
    with pytest.raises(ApiError):
        loads(body.replace(b"[1,", b"[1,1,"))


def test_it_takes_a_large_text():
    assert len(loads(b'{"a":"' + b"text " * JSON_VALUES + b'"}')["a"]) == 5 * JSON_VALUES
