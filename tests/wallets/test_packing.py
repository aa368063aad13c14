"""What is sealed of an answer: less than all of it, and never more than a charge can wait for."""

from __future__ import annotations

import os
import zlib

import pytest

from wallets import packing
from wallets.packing import NotKeptError, pack, unpack


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"choices":[]}', b"\1", b"\2", os.urandom(100_000)])
def test_an_answer_comes_out_as_it_went_in(answer: bytes):
    assert unpack(pack(answer)) == answer


def test_it_takes_less_room():
    answer = b'{"token":" word","logprob":-0.123,"bytes":[32,119,111,114,100]}' * 10_000
    assert len(pack(answer)) < len(answer) / 10


def test_what_was_stored_before_there_was_a_mark_still_opens():
    assert unpack(b'{"created":1,"choices":[]}') == b'{"created":1,"choices":[]}'


def test_beyond_the_most_only_a_word_is_kept(monkeypatch: pytest.MonkeyPatch):
    answer = os.urandom(1000)
    monkeypatch.setattr(packing, "MOST_BYTES", 1 + len(zlib.compress(answer, 1)))
    assert unpack(pack(answer)) == answer
    packed = pack(answer + os.urandom(100))
    assert len(packed) == 1
    with pytest.raises(NotKeptError):
        unpack(packed)
