"""LiteLLM's price entries, read into tiers of Decimal rates."""

from decimal import Decimal

import pytest

from catalog import price_map
from catalog.price_list import PriceEntryError, read, with_provider

PLAIN = {"litellm_provider": "openai", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07}


def rates_at(entry, prompt_tokens):
    return read(entry).tier(prompt_tokens).rates


def problems(entry):
    with pytest.raises(PriceEntryError) as refused:
        read(entry)
    return refused.value.problems


def test_a_price_is_its_shortest_decimal_text():
    assert rates_at(PLAIN, 1).input == Decimal("0.00000015")
    assert rates_at({**PLAIN, "input_cost_per_token": "0.000001"}, 1).input == Decimal("0.000001")


def test_a_missing_cache_price_is_the_input_price_and_a_missing_reasoning_price_the_output_price():
    rates = rates_at(PLAIN, 1)
    assert rates.cached == rates.cache_write == rates.audio_input == rates.input
    assert rates.reasoning == rates.audio_output == rates.output


def test_a_free_cache_is_a_price():
    assert rates_at({**PLAIN, "cache_read_input_token_cost": 0.0}, 1).cached == 0


def test_thresholds_raise_the_whole_call_once_the_prompt_is_above_them():
    entry = {
        **PLAIN,
        "cache_read_input_token_cost": 1e-08,
        "input_cost_per_token_above_200k_tokens": 3e-07,
        "output_cost_per_token_above_200k_tokens": 9e-07,
        "input_cost_per_token_above_1000_tokens": 2e-07,
        "input_cost_per_token_above_200k_tokens_priority": 9.0,
    }
    assert [rates_at(entry, size).input * 10**7 for size in (1, 1000, 1001, 200_000, 200_001)] == [Decimal("1.5"), Decimal("1.5"), 2, 2, 3]
    assert rates_at(entry, 200_000).output == Decimal("6e-7")
    assert rates_at(entry, 200_001).output == Decimal("9e-7")
    assert rates_at(entry, 200_001).cached == Decimal("1e-8"), "what a tier does not name stays"


def test_xai_reaches_a_tier_at_its_threshold():
    entry = {**PLAIN, "litellm_provider": "xai", "input_cost_per_token_above_200k_tokens": 3e-07}
    assert rates_at(entry, 199_999).input == Decimal("1.5e-7")
    assert rates_at(entry, 200_000).input == Decimal("3e-7")


def test_ranges_of_tiered_pricing_count_for_every_class():
    entry = {
        "litellm_provider": "dashscope",
        "tiered_pricing": [
            {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "cache_read_input_token_cost": 5e-07},
            {"range": [32000.0, 128000.0], "input_cost_per_token": 3e-06, "output_cost_per_token": 4e-06},
        ],
    }
    assert rates_at(entry, 32_000).cached == Decimal("5e-7")
    assert rates_at(entry, 32_001).cached == Decimal("3e-6")
    assert rates_at(entry, 10**9).output == Decimal("4e-6"), "beyond the last range the last one counts"


@pytest.mark.parametrize("table", [[{"range": [0, 5], "input_cost_per_token": 1}, {"range": [6, 9], "input_cost_per_token": 1}], [{}], "x"])
def test_it_refuses_ranges_with_a_gap_or_without_sense(table):
    assert problems({**PLAIN, "tiered_pricing": table})


def test_the_dearest_rates_are_over_every_class_and_tier_a_prompt_can_meet():
    entry = {
        **PLAIN,
        "cache_creation_input_token_cost": 9e-07,
        "output_cost_per_reasoning_token": 2e-06,
        "input_cost_per_token_above_100k_tokens": 1e-08,
        "output_cost_per_token_above_100k_tokens": 5e-06,
    }
    low, high = read(entry).tier(100_000), read(entry).tier(100_001)
    assert (low.dearest_input, low.dearest_output) == (Decimal("9e-7"), Decimal("2e-6"))
    assert (high.dearest_input, high.dearest_output) == (Decimal("9e-7"), Decimal("5e-6")), "a cheaper tier above lowers no hold"


def test_a_price_by_the_clock_holds_the_dearer_of_both():
    entry = {
        **PLAIN,
        "off_peak_pricing": {"input_cost_per_token": 1e-08, "output_cost_per_token": 7e-07, "windows": [{"hours_utc": "00:00-01:00"}]},
    }
    prices = read(entry)
    assert prices.by_the_clock
    assert (prices.tier(1).rates.input, prices.tier(1).rates.output) == (Decimal("1.5e-7"), Decimal("7e-7"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"input_cost_per_token": 0}, "the input price must be above 0"),
        ({"output_cost_per_token": None}, "the output price must be above 0"),
        ({"input_cost_per_token_above_128k_tokens": 0}, "the input price above 128000 tokens must be above 0"),
        ({"input_cost_per_token": -1e-07}, "input_cost_per_token must be a number from 0 to 1000 USD"),
        ({"input_cost_per_token": float("nan")}, "input_cost_per_token must be a number from 0 to 1000 USD"),
        ({"input_cost_per_token": True}, "input_cost_per_token is no number"),
        ({"input_cost_per_token": "cheap"}, "input_cost_per_token is no number"),
        ({"input_cost_per_request": 0.005}, "input_cost_per_request is not understood"),
        ({"input_cost_per_second": 0.001}, "input_cost_per_second is not understood"),
        ({"input_cost_per_token_above_200k_words": 1e-06}, "input_cost_per_token_above_200k_words is not understood"),
        ({"weekend_price_multiplier": 2}, "weekend_price_multiplier is not understood"),
        ({"litellm_provider": None}, "litellm_provider is missing"),
    ],
)
def test_it_refuses_an_entry_it_could_misread(change, said):
    assert said in problems({**PLAIN, **change})


def test_an_entry_without_a_provider_takes_it_from_the_name_of_the_model():
    assert read(with_provider({"input_cost_per_token": 1, "output_cost_per_token": 1}, "minimax/MiniMax-M2.7")).provider == "minimax"
    assert with_provider({}, "gpt-4o-mini")["litellm_provider"] == "openai"
    assert with_provider({"litellm_provider": "xai"}, "openai/x")["litellm_provider"] == "xai"


def test_the_map_is_read_from_the_disk():
    assert price_map.entry("gpt-4o-mini")["output_cost_per_token"] == 6e-07
    assert price_map.entry("minimax/MiniMax-M2.7") is None
    assert price_map.source() == "LiteLLM 1.103.7"
