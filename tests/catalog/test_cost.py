"""What a usage costs, by our sums and by LiteLLM's."""

import subprocess
import sys
from decimal import Decimal

import pytest

from catalog import cost, price_map
from catalog.cost import TokenUsage, cost_row, cost_usd, litellm_cost_usd, method_of
from catalog.price_list import PriceEntryError
from catalog.seed import SEEDS
from tests.catalog.catalog_objects import MINIMAX

BY_THE_CLOCK = "deepseek/deepseek-v4-pro"


def row(entry, *, method="decimal", route_id="test", version=1):
    return cost_row(route_id, entry, version=version, method=method, source="test")


def test_the_worked_examples_of_minimax():
    minimax = row(MINIMAX)
    assert cost_usd(minimax, TokenUsage(1000, 500)) == Decimal("0.0009")
    assert cost_usd(minimax, TokenUsage(1000, 500, cached_tokens=400)) == Decimal("0.000804"), "LiteLLM's float is 0.0008039999999999999"
    assert cost_usd(minimax, TokenUsage(1000, 500, reasoning_tokens=300)) == Decimal("0.0009"), "reasoning is part of the output"
    assert cost_usd(minimax, TokenUsage(1000, 0, cache_write_tokens=1000)) == Decimal("0.000375")
    assert str(cost_usd(minimax, TokenUsage(1, 0))) == "3.00000E-7", "twelve places"


def test_each_class_has_its_price():
    entry = {
        "litellm_provider": "openai",
        "input_cost_per_token": 1,
        "output_cost_per_token": 10,
        "cache_read_input_token_cost": 2,
        "cache_creation_input_token_cost": 3,
        "input_cost_per_audio_token": 4,
        "output_cost_per_reasoning_token": 20,
        "output_cost_per_audio_token": 30,
    }
    usage = TokenUsage(
        prompt_tokens=10,
        completion_tokens=10,
        cached_tokens=2,
        cache_write_tokens=3,
        reasoning_tokens=4,
        audio_prompt_tokens=1,
        audio_completion_tokens=1,
    )
    assert cost_usd(row(entry), usage) == 4 * 1 + 2 * 2 + 3 * 3 + 1 * 4 + 5 * 10 + 4 * 20 + 1 * 30
    assert litellm_cost_usd(row(entry), usage) == cost_usd(row(entry), usage)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.id)
def test_the_seeded_prices_are_summed_as_litellm_does(seed):
    """The seed marks them decimal without importing litellm: this is what makes it true."""
    assert method_of(seed.prices or price_map.entry(seed.cost_key)) == "decimal"


def test_a_price_by_the_clock_is_left_to_litellm():
    entry = price_map.entry(BY_THE_CLOCK)
    assert method_of(entry) == "litellm"
    by_litellm = row(entry, method="litellm")
    usage = TokenUsage(1_000_000, 0)
    peak, off_peak = (Decimal(str(rate)) for rate in (entry["input_cost_per_token"], entry["off_peak_pricing"]["input_cost_per_token"]))
    assert cost_usd(by_litellm, usage) in (peak * 10**6, off_peak * 10**6)


def test_litellm_counts_by_the_routes_own_key_whatever_else_it_knows():
    """Two routes with one model and other prices, and a new version of one: each keeps its own."""
    cheap, dear = row(MINIMAX, method="litellm", route_id=1), row({**MINIMAX, "output_cost_per_token": 1.0}, method="litellm", route_id=2)
    newer = row({**MINIMAX, "output_cost_per_token": 2.0}, method="litellm", route_id=2, version=2)
    usage = TokenUsage(0, 10)
    assert [cost_usd(which, usage) for which in (cheap, dear, newer, dear, cheap)] == [Decimal("0.000012"), 10, 20, 10, Decimal("0.000012")]


def test_it_refuses_a_price_under_which_litellm_says_output_is_free(monkeypatch):
    monkeypatch.setattr(cost.load_litellm(), "cost_per_token", lambda **given: (0.0, 0.0))
    with pytest.raises(PriceEntryError, match="output is free"):
        method_of(MINIMAX)


def test_it_refuses_a_price_under_which_litellm_asks_more_than_a_hold(monkeypatch):
    real = cost.load_litellm().cost_per_token
    monkeypatch.setattr(cost.load_litellm(), "cost_per_token", lambda **given: tuple(part * 2 for part in real(**given)))
    with pytest.raises(PriceEntryError, match="asks more"):
        method_of(MINIMAX)


def test_a_sum_that_differs_is_left_to_litellm(monkeypatch):
    real = cost.load_litellm().cost_per_token
    monkeypatch.setattr(cost.load_litellm(), "cost_per_token", lambda **given: tuple(part * 0.9 for part in real(**given)))
    assert method_of(MINIMAX) == "litellm"


def test_comparing_leaves_nothing_behind_in_litellm():
    before = len(cost.load_litellm().model_cost)
    method_of(MINIMAX)
    assert len(cost.load_litellm().model_cost) == before


def test_plain_prices_never_import_litellm():
    program = (
        "import sys\n"
        "from catalog import cost, price_map, tokens\n"
        "row = cost.cost_row(1, price_map.entry('gpt-4o-mini'), version=1, method='decimal', source='x')\n"
        "assert cost.cost_usd(row, cost.TokenUsage(1000, 500)) > 0 and tokens.count('hello') == 1\n"
        "assert 'litellm' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_a_sum_needs_of_litellm_is_imported_off_the_event_loop():
    """A route can become a litellm one under a running process: the import takes seconds, and every call would wait for it."""
    program = (
        "import asyncio, sys, threading\n"
        "from catalog import cost, price_map\n"
        "class ImportedBy:\n"
        "    thread = None\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'litellm':\n"
        "            ImportedBy.thread = threading.current_thread()\n"
        "sys.meta_path.insert(0, ImportedBy())\n"
        "row = lambda method: cost.cost_row(1, price_map.entry('gpt-4o-mini'), version=1, method=method, source='x')\n"
        "asyncio.run(cost.ready(row('decimal')))\n"
        "assert 'litellm' not in sys.modules\n"
        "asyncio.run(cost.ready(row('litellm')))\n"
        "assert 'litellm' in sys.modules and ImportedBy.thread is not threading.main_thread()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
