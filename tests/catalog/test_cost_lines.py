"""The sum behind a cost, line by line: what a receipt spells out."""

from decimal import Decimal

import pytest

from catalog import price_list, price_map
from catalog.cost import TokenUsage, cost_row, cost_usd, costed, generated_usages
from tests.catalog.catalog_objects import MINIMAX, TIERED
from wallets import money

EVERY_CLASS = {
    **MINIMAX,
    "output_cost_per_reasoning_token": 2e-06,
    "input_cost_per_audio_token": 4e-06,
    "output_cost_per_audio_token": 8e-06,
}
# Its products have more places than a cost keeps
FINE = {**EVERY_CLASS, "input_cost_per_token": "0.00000012345678901234567", "cache_read_input_token_cost": "0.000000000000333333333"}


def row(entry, *, method="decimal"):
    return cost_row("test", entry, version=1, method=method, source="test")


def cost_lines(priced, usage):
    return costed(priced, usage)[1]


def summed(lines):
    return money.usd(sum(Decimal(line["usd"]) for line in lines))


def test_each_class_has_its_line_and_each_token_is_in_one():
    usage = TokenUsage(
        1000, 500, cached_tokens=400, cache_write_tokens=100, reasoning_tokens=20, audio_prompt_tokens=3, audio_completion_tokens=7
    )
    assert cost_lines(row(EVERY_CLASS), usage) == [
        {"class": "input", "tokens": 497, "usd_per_token": "0.0000003", "usd": "0.0001491"},
        {"class": "cached", "tokens": 400, "usd_per_token": "0.00000006", "usd": "0.000024"},
        {"class": "cache_write", "tokens": 100, "usd_per_token": "0.000000375", "usd": "0.0000375"},
        {"class": "audio_input", "tokens": 3, "usd_per_token": "0.000004", "usd": "0.000012"},
        {"class": "output", "tokens": 473, "usd_per_token": "0.0000012", "usd": "0.0005676"},
        {"class": "reasoning", "tokens": 20, "usd_per_token": "0.000002", "usd": "0.00004"},
        {"class": "audio_output", "tokens": 7, "usd_per_token": "0.000008", "usd": "0.000056"},
    ]


def test_a_class_without_tokens_has_no_line():
    assert [line["class"] for line in cost_lines(row(EVERY_CLASS), TokenUsage(10, 5))] == ["input", "output"]
    assert cost_lines(row(EVERY_CLASS), TokenUsage(0, 0)) == []


@pytest.mark.parametrize(("prompt_tokens", "rates"), [(200_000, ["0.000001", "0.000002"]), (200_001, ["0.0000015", "0.000003"])])
def test_the_rates_are_those_of_the_prompt_s_tier(prompt_tokens, rates):
    lines = cost_lines(row(TIERED), TokenUsage(prompt_tokens, 10))
    assert [line["usd_per_token"] for line in lines] == rates


@pytest.mark.parametrize("entry", [EVERY_CLASS, TIERED, FINE, price_map.entry("gpt-4o-mini")])
def test_the_lines_add_up_to_the_cost(entry):
    priced = row(entry)
    for usage in generated_usages(price_list.read(entry), 100):
        cost, lines = costed(priced, usage)
        assert summed(lines) == cost == cost_usd(priced, usage)
        assert all(Decimal(line["usd"]) == money.EXACT.multiply(Decimal(line["usd_per_token"]), line["tokens"]) for line in lines)
        assert not any("E" in line["usd"] + line["usd_per_token"] for line in lines), "plain decimal texts"


def test_a_sum_that_litellm_did_has_no_lines():
    assert cost_lines(row(EVERY_CLASS, method="litellm"), TokenUsage(1000, 500)) == []
