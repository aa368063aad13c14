"""Who does the sums of each chat entry of LiteLLM's price map, and why some can't be sold from.

`python -m tests.catalog.whole_map` writes `whole_map.json` anew, after an upgrade of LiteLLM: read the difference.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from catalog import cost, price_map
from catalog.price_list import PriceEntryError, PriceList, read
from wallets import money

FILE = Path(__file__).with_name("whole_map.json")
MODES = ("chat", "responses", "completion")


def chat_keys() -> list[str]:
    """The keys of every entry that a chat route could name."""
    return [key for key, entry in price_map.entries().items() if entry.get("mode") in MODES]


def verdict(key: str, *, usages: int) -> str:
    """ "decimal", "litellm", or why the entry is refused."""
    try:
        return cost.method_of(price_map.entries()[key], usages=usages)
    except PriceEntryError as error:
        return "; ".join(error.problems)


def verdicts(keys: Iterable[str], *, usages: int) -> dict[str, list[str]]:
    """Verdict to keys, without the many that are decimal."""
    found: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        if (what := verdict(key, usages=usages)) != cost.DECIMAL:
            found[what].append(key)
    return {what: sorted(found[what]) for what in sorted(found)}


def lookup(key: str, *, usages: int) -> str | None:
    """What goes wrong when LiteLLM looks the entry up by its public name, none if it finds this very entry."""
    entry = price_map.entries()[key]
    prices = read(entry)
    row = cost.cost_row("lookup", entry, version=1, method=cost.DECIMAL, source="")
    for usage in cost.generated_usages(prices, usages):
        try:
            if _by_name(key, prices, usage) != cost.cost_usd(row, usage):
                return "another entry's price"
        except Exception as error:
            return type(error).__name__
    return None


def _by_name(key: str, prices: PriceList, usage: cost.TokenUsage) -> Any:
    litellm = cost.load_litellm()
    prompt_usd, completion_usd = litellm.cost_per_token(
        model=key.removeprefix(f"{prices.provider}/"), custom_llm_provider=prices.provider, usage_object=cost.litellm_usage(usage)
    )
    return money.usd(prompt_usd + completion_usd)


def lookups(keys: Iterable[str], *, usages: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        if (what := lookup(key, usages=usages)) is not None:
            found[what].append(key)
    return {what: sorted(found[what]) for what in sorted(found)}


def decimal_keys(expected: dict[str, Any]) -> list[str]:
    others = {key for keys in expected["not decimal"].values() for key in keys}
    return [key for key in chat_keys() if key not in others]


if __name__ == "__main__":
    whole: dict[str, Any] = {"not decimal": verdicts(chat_keys(), usages=40)}
    whole["not found by name"] = lookups(decimal_keys(whole), usages=6)
    FILE.write_text(json.dumps({"litellm": price_map.source(), **whole}, indent=1) + "\n")
    sys.stdout.write(f"{FILE}\n")
