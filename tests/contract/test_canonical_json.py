"""Bodies that say the same have one spelling, bodies that don't have two."""

from __future__ import annotations

import pytest

from contract import strict_json
from contract.canonical_json import canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1, "b": {"c": 2, "d": 3}}', b'{"b":{"d":3,"c":2},\n "a":1}'),
        (b'{"a": [{"x": 1, "y": 2}]}', b'{"a": [{"y": 2, "x": 1}]}'),
        (b'{"n": 1}', b'{"n": 1.0}'),
        (b'{"n": 0}', b'{"n": -0.0}'),
        (b'{"n": 1000000}', b'{"n": 1e6}'),
        (b'{"n": 0.1}', b'{"n": 1e-1}'),
        (b'{"a": "\\u00e9\\ud83d\\ude00"}', '{"a": "\u00e9\U0001f600"}'.encode()),
        (b'{"a": 1, "b": null}', b'{"a": 1}'),
    ],
)
def test_the_same_said_in_two_ways_is_one(one: bytes, other: bytes):
    assert canonical(strict_json.loads(one)) == canonical(strict_json.loads(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": [1, 2]}', b'{"a": [2, 1]}'),
        (b'{"a": 1}', b'{"a": "1"}'),
        (b'{"a": 1}', b'{"a": true}'),
        (b'{"a": 0}', b'{"a": false}'),
        (b'{"a": 1}', b'{"a": 1.5}'),
        (b'{"a": ""}', b'{"a": null}'),
        (b'{"a": "\\u00e9"}', b'{"a": "e\\u0301"}'),
        (b'{"a": {"default": null}}', b'{"a": {}}'),
    ],
)
def test_what_is_not_the_same_stays_two(one: bytes, other: bytes):
    assert canonical(strict_json.loads(one)) != canonical(strict_json.loads(other))


@pytest.mark.parametrize(
    "body",
    [
        b'{"n": 18446744073709551615}',
        b'{"n": -9223372036854775808}',
        b'{"n": 1e300}',
        b'{"n": -1.8446744073709552e19}',
        b'{"n": 1.7976931348623157e308}',
        b'{"n": 5e-324}',
        b'{"a": ' + b"[" * 99 + b"]" * 99 + b"}",
    ],
)
def test_whatever_a_body_may_hold_can_be_spelled(body: bytes):
    assert canonical(strict_json.loads(body))
