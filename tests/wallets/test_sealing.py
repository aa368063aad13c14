"""A stored answer opens for its call and its Idempotency-Key alone."""

from __future__ import annotations

import pytest

from wallets import sealing
from wallets.sealing import BrokenSealError

ANSWER = b'{"choices": "forty-two"}'
OF = {"usage_id": "chatcmpl_1", "wallet_id": 7}
SCOPE = {"wallet_id": 7, "method": "POST", "path": "/v1/chat/completions"}


def test_a_sealed_answer_opens_with_its_key():
    assert sealing.unseal(sealing.seal(ANSWER, key="mine", **OF), key="mine", **OF) == ANSWER


def test_a_sealed_answer_shows_nothing_of_it():
    assert b"forty" not in sealing.seal(ANSWER, key="mine", **OF)


def test_the_same_answer_is_never_sealed_the_same():
    assert sealing.seal(ANSWER, key="mine", **OF) != sealing.seal(ANSWER, key="mine", **OF)


@pytest.mark.parametrize(
    "changed", [{"key": "yours"}, {"usage_id": "chatcmpl_2"}, {"wallet_id": 8}], ids=["another key", "another call", "another wallet"]
)
def test_it_does_not_open_for(changed: dict[str, object]):
    sealed = sealing.seal(ANSWER, key="mine", **OF)
    with pytest.raises(BrokenSealError):
        sealing.unseal(sealed, **{"key": "mine", **OF, **changed})  # type: ignore[arg-type]


def test_it_does_not_open_under_another_secret_of_the_server(settings):
    sealed = sealing.seal(ANSWER, key="mine", **OF)
    settings.SECRET_KEY = "another one, fifty characters long and nobody's at all"
    with pytest.raises(BrokenSealError):
        sealing.unseal(sealed, key="mine", **OF)


@pytest.mark.parametrize("damage", [lambda sealed: sealed[:-1], lambda sealed: bytes([sealed[0] ^ 1]) + sealed[1:], lambda sealed: b""])
def test_a_damaged_answer_does_not_open(damage):
    with pytest.raises(BrokenSealError):
        sealing.unseal(damage(sealing.seal(ANSWER, key="mine", **OF)), key="mine", **OF)


@pytest.mark.parametrize("changed", [{"wallet_id": 8}, {"method": "DELETE"}, {"path": "/v1/uploads"}])
def test_a_key_is_another_in_another_scope(changed: dict[str, object]):
    assert sealing.digest("mine", **SCOPE) != sealing.digest("mine", **{**SCOPE, **changed})  # type: ignore[arg-type]


def test_digests_are_64_hexadecimal_digits_that_hold_no_key():
    for digits in (sealing.digest("mine", **SCOPE), sealing.fingerprint("mine", body=b"{}")):
        assert len(digits) == 64
        assert set(digits) <= set("0123456789abcdef")
    assert sealing.digest("mine", **SCOPE) == sealing.digest("mine", **SCOPE)
    assert sealing.digest("mine", **SCOPE) != sealing.digest("yours", **SCOPE)


def test_a_body_has_one_fingerprint_under_one_key():
    assert sealing.fingerprint("mine", body=b"{}") == sealing.fingerprint("mine", body=b"{}")
    assert sealing.fingerprint("mine", body=b"{}") != sealing.fingerprint("mine", body=b"[]")
    assert sealing.fingerprint("mine", body=b"{}") != sealing.fingerprint("yours", body=b"{}")
