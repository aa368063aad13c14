"""The shape of a key, and what is stored of it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import tokens

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
made = st.builds(tokens.new_token)


def test_a_key_looks_as_the_contract_says():
    token = tokens.new_token()
    assert re.fullmatch(r"sk-bt-[0-9A-Za-z]{38}", token)
    assert tokens.well_formed(token)
    assert tokens.prefix(token) == token[:12]


def test_no_two_keys_are_alike():
    assert len({tokens.prefix(tokens.new_token()) + tokens.digest(tokens.new_token()) for _ in range(500)}) == 500


def test_every_base62_character_is_used():
    assert set("".join(tokens.new_token()[6:38] for _ in range(200))) == set(BASE62)


@pytest.mark.parametrize(
    "token",
    [
        "sk-bt-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3Ae0o2",
        "sk-bt-0123456789ABCDEFGHIJKLMNOPQRSTUV1ggZdL",
    ],
)
def test_the_checksum_is_the_crc32_of_the_body_in_base62(token: str):
    """Written out, so that a key made today is well formed under every later release."""
    assert tokens.well_formed(token)


@given(token=made, place=st.integers(6, 43), other=st.sampled_from(BASE62))
def test_any_single_wrong_character_is_noticed(token: str, place: int, other: str):
    wrong = token[:place] + other + token[place + 1 :]
    assert tokens.well_formed(wrong) == (wrong == token)


@given(token=made, place=st.integers(6, 42))
def test_two_swapped_neighbours_are_noticed(token: str, place: int):
    swapped = token[:place] + token[place + 1] + token[place] + token[place + 2 :]
    assert tokens.well_formed(swapped) == (swapped == token)


@given(
    st.text(max_size=60)
    | made.flatmap(lambda token: st.sampled_from([token[:-1], token + "0", token + "\n", " " + token, token.upper(), "sk-" + token[6:]]))
)
def test_nothing_else_has_the_shape(text: str):
    assert not tokens.well_formed(text)


def test_digits_of_other_scripts_are_no_digits():
    token = tokens.new_token()
    assert not tokens.well_formed(token[:-1] + "٣")


def test_the_digest_depends_on_the_pepper_and_does_not_show_the_key(settings):
    token = tokens.new_token()
    first = tokens.digest(token)
    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert tokens.digest(token) == first
    settings.KEY_PEPPER = settings.KEY_PEPPER + "another"
    assert tokens.digest(token) != first
