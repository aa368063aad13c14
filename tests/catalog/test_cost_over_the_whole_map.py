"""Our sums against LiteLLM's over its whole price map: who is decimal, and every entry by name that is not."""

import json
import random

import pytest

from catalog import price_map
from tests.catalog.whole_map import FILE, chat_keys, decimal_keys, lookups, verdict, verdicts

EXPECTED = json.loads(FILE.read_text())


def test_the_list_is_of_the_litellm_installed():
    assert EXPECTED["litellm"] == price_map.source()


def test_a_sample_of_the_map_is_classified_as_listed():
    """Every provider is in it; the whole map takes half a minute."""
    decimal = decimal_keys(EXPECTED)
    one_of_each = {price_map.entries()[key]["litellm_provider"]: key for key in decimal}
    for key in {*one_of_each.values(), *random.Random(1).sample(decimal, 60)}:
        assert verdict(key, usages=30) == "decimal", key
    for what, keys in EXPECTED["not decimal"].items():
        for key in keys[:3]:
            assert verdict(key, usages=30) == what, key


@pytest.mark.slow
def test_the_whole_map_is_classified_as_listed():
    assert verdicts(chat_keys(), usages=40) == EXPECTED["not decimal"]


@pytest.mark.slow
def test_litellm_by_public_names_agrees_but_for_the_entries_listed():
    """Why routes have keys of their own: by name, LiteLLM takes three entries for others and does not find 23."""
    assert lookups(decimal_keys(EXPECTED), usages=6) == EXPECTED["not found by name"]


def test_what_falls_to_litellm_is_known():
    """fireworks_ai (a cache price of its own), perplexity (knows no thresholds), deepseek and tencent (by the clock)."""
    providers = {price_map.entries()[key]["litellm_provider"] for key in EXPECTED["not decimal"]["litellm"]}
    assert providers == {"fireworks_ai", "perplexity", "deepseek", "tencent"}
