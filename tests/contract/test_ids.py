"""Ids of ours and of the caller."""

import time

import pytest

from contract import request_id
from contract.ids import new_id

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # https://github.com/ulid/spec: no I, L, O, U


def test_an_id_is_a_prefix_and_a_ulid_of_now():
    before = int(time.time() * 1000)
    prefix, _, ulid = new_id("chatcmpl").partition("_")
    assert prefix == "chatcmpl"
    assert len(ulid) == 26
    value = sum(CROCKFORD.index(digit) << 5 * place for place, digit in enumerate(reversed(ulid)))
    assert value < 1 << 128
    assert before <= value >> 80 <= time.time() * 1000


def test_ids_differ():
    assert len({new_id("req") for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("value", ["a", "x" * 128, "!~", "trace-1/2:3"])
def test_it_takes_the_callers_request_id(value):
    assert request_id.accept(value) == value
    assert request_id.accept(value.encode()) == value


@pytest.mark.parametrize("value", [None, "", "x" * 129, "a b", "a\tb", "a\n", "\x7f", "é", "\ud800", b"\xff"])
def test_it_replaces_an_invalid_request_id(value):
    accepted = request_id.accept(value)
    assert accepted.startswith("req_")
    assert len(accepted) == 30
