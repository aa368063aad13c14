"""What a token costs: LiteLLM's price entry of a model, read into Decimal rates.

An entry is a flat mapping of LiteLLM's price map ("input_cost_per_token": 3e-07, ...), in USD per token. The rules
follow LiteLLM's `generic_cost_per_token` and the calculators of its providers:

- one tier counts for the whole call, chosen by the size of the prompt: the last whose threshold it is **above**
  (`*_above_200k_tokens`; xAI: at or above), or the entry of `tiered_pricing` whose range holds it;
- a missing cache price is the input price, a missing reasoning price the output price;
- what we never ask for never applies: batches, service tiers, one-hour caches, web search, audio and image output.

A key that may move the price and that none of this covers is an error: such an entry must not be sold from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, TypeGuard

INPUT = "input_cost_per_token"
OUTPUT = "output_cost_per_token"
CACHED = "cache_read_input_token_cost"
CACHE_WRITE = "cache_creation_input_token_cost"
REASONING = "output_cost_per_reasoning_token"
AUDIO_INPUT = "input_cost_per_audio_token"
AUDIO_OUTPUT = "output_cost_per_audio_token"
TIERED = "tiered_pricing"
OFF_PEAK = "off_peak_pricing"

_FLAT = frozenset({INPUT, OUTPUT, CACHED, CACHE_WRITE, REASONING, AUDIO_INPUT, AUDIO_OUTPUT})
_TIER = frozenset({INPUT, OUTPUT, CACHED, CACHE_WRITE, REASONING, "range"})
_THRESHOLD = re.compile(rf"\A({INPUT}|{OUTPUT}|{CACHED}|{CACHE_WRITE})_above_(\d{{1,9}})(k?)_tokens\Z")
_MOVES_THE_PRICE = re.compile(r"cost|pric|multiplier|uplift|(?:\A|_)fees?(?:_|\Z)|per_query|provider_specific_entry")
_NEVER_APPLIES = re.compile(
    r"""
      _(batches|priority|flex|ultrafast|balanced|decisions)\Z         # service tiers and batches: never asked for
    | \Acache_creation_input_token_cost_above_1hr                     # one-hour caches: never asked for
    | \A(search_context_cost_per_query|google_maps_grounding_cost_per_query|web_search_billing_unit)\Z
    | \A(code_interpreter|file_search|computer_use|vector_store)_     # the provider's own tools: functions only
    | \Aoutput_cost_per_(image|image_token|video_token|video_per_second|audio_per_second)\Z   # output is text
    | \Ainput_cost_per_(image|video|audio)(_per_second)?(_above_128k_tokens)?\Z  # counted by the piece: usage is in tokens
    | \A(in|out)put_cost_per_character(_above_128k_tokens)?\Z
    | \Ainput_cost_per_image_token\Z                                  # the input price in the whole map
    | \Acache_read_input_audio_token_cost\Z                           # no audio goes in
    | \Aregional_(endpoint|processing)_uplift_multiplier | \Aprovider_specific_entry\Z        # no region is asked for
    | \A(in|out)put_dbu_cost_per_token\Z                              # the same price in another unit
    | \Ainput_cost_per_token_cache_hit\Z | \Aexplicit_cache_read_input_token_cost\Z           # LiteLLM reads neither
    """,
    re.VERBOSE,
)
_INCLUSIVE_PROVIDERS = frozenset({"xai"})
# Their own calculators know neither thresholds in keys nor audio
_RANGES_ONLY_PROVIDERS = frozenset({"dashscope", "qwencloud", "qwen_ai_platform"})

# Nothing real comes near it, and the cost of the biggest call at this price still has its place in the books
_MOST_USD = 1000
_MOST_TOKENS = 10**12


class PriceEntryError(ValueError):
    """A price entry that can't be sold from. `problems` says why, for staff to read."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per token of each class."""

    input: Decimal
    cached: Decimal
    cache_write: Decimal
    output: Decimal
    reasoning: Decimal
    audio_input: Decimal
    audio_output: Decimal


@dataclass(frozen=True, slots=True)
class Tier:
    """The rates of prompts of more than `above` tokens. The dearest of all tiers up to here stand beside them.

    Audio is not among the dearest: no request of ours carries or asks for any.
    """

    above: int
    rates: Rates
    dearest_input: Decimal
    dearest_output: Decimal


@dataclass(frozen=True, slots=True)
class PriceList:
    """A price entry, understood. `by_the_clock`: the rates are the peak ones, LiteLLM alone knows the hour's."""

    provider: str
    tiers: tuple[Tier, ...]
    by_the_clock: bool

    def tier(self, prompt_tokens: int) -> Tier:
        """The tier of a prompt of that many tokens."""
        found = self.tiers[0]
        for tier in self.tiers[1:]:
            if prompt_tokens <= tier.above:
                break
            found = tier
        return found


def with_provider(entry: Mapping[str, Any], litellm_model: str) -> dict[str, Any]:
    """The entry with its provider named: by itself, else by LiteLLM's name of the model ("minimax/MiniMax-M2.7").

    Raises PriceEntryError for anything but a mapping, which staff's JSON may be.
    """
    if not isinstance(entry, Mapping):
        raise PriceEntryError(["give a mapping of LiteLLM's names to prices"])
    provider, slash, _ = litellm_model.partition("/")
    return {"litellm_provider": provider if slash else "openai", **entry}


def provider_of(entry: Mapping[str, Any]) -> str:
    """The provider LiteLLM's calculator is chosen by. Raises PriceEntryError if the entry names none."""
    provider = entry.get("litellm_provider")
    if not isinstance(provider, str) or not provider:
        raise PriceEntryError(["litellm_provider is missing"])
    if provider.startswith("vertex_ai"):
        return "vertex_ai"
    return {"bedrock_converse": "bedrock"}.get(provider, provider)


def read(entry: Mapping[str, Any]) -> PriceList:
    """LiteLLM's price entry as a PriceList.

    Raises PriceEntryError with every problem found: a missing or free input or output price, a price that is no number
    or negative, a key that may move the price and is not covered here.
    """
    provider = provider_of(entry)
    problems = [f"{key} is not understood" for key in sorted(entry) if not _covered(key, entry[key])]
    try:
        flat = _flat(entry)
        if entry.get(TIERED):
            steps = _ranges(entry[TIERED], flat)
        elif provider in _RANGES_ONLY_PROVIDERS:
            steps = [(0, _complete(flat))]
        else:
            steps = _thresholds(entry, flat, inclusive=provider in _INCLUSIVE_PROVIDERS)
        steps = [(above, _as_provider_bills(provider, rates)) for above, rates in steps]
        off_peak = entry.get(OFF_PEAK)
        if off_peak:
            steps = [(above, _peak(rates, off_peak)) for above, rates in steps]
    except PriceEntryError as refusal:
        raise PriceEntryError([*problems, *refusal.problems]) from None
    for above, rates in steps:
        where = f" above {above} tokens" if above else ""
        problems += [f"the {side} price{where} must be above 0" for side in ("input", "output") if getattr(rates, side) <= 0]
    if problems:
        raise PriceEntryError(problems)
    return PriceList(provider=provider, tiers=_with_dearest(steps), by_the_clock=bool(off_peak))


def _covered(key: str, value: object) -> bool:
    if value is None or value == 0 or key in _FLAT or key in (TIERED, OFF_PEAK):
        return True
    return not _MOVES_THE_PRICE.search(key) or bool(_THRESHOLD.match(key) or _NEVER_APPLIES.search(key))


def _rate(entry: Mapping[str, Any], key: str) -> Decimal | None:
    """A price as its shortest decimal text says it, none where it is absent."""
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise PriceEntryError([f"{key} is no number"])
    try:
        rate = Decimal(str(value))
    except InvalidOperation:
        raise PriceEntryError([f"{key} is no number"]) from None
    if not rate.is_finite() or not 0 <= rate <= _MOST_USD:
        raise PriceEntryError([f"{key} must be a number from 0 to {_MOST_USD} USD"])
    return rate


def _flat(entry: Mapping[str, Any]) -> dict[str, Decimal | None]:
    return {key: _rate(entry, key) for key in _FLAT}


def _complete(rates: Mapping[str, Decimal | None]) -> Rates:
    zero = Decimal(0)
    base, output = rates.get(INPUT), rates.get(OUTPUT)
    base, output = zero if base is None else base, zero if output is None else output

    def or_else(key: str, instead: Decimal) -> Decimal:
        rate = rates.get(key)
        return instead if rate is None else rate

    return Rates(
        input=base,
        cached=or_else(CACHED, base),
        cache_write=or_else(CACHE_WRITE, base),
        output=output,
        reasoning=or_else(REASONING, output),
        audio_input=or_else(AUDIO_INPUT, base),
        audio_output=or_else(AUDIO_OUTPUT, output),
    )


def _thresholds(entry: Mapping[str, Any], flat: Mapping[str, Decimal | None], *, inclusive: bool) -> list[tuple[int, Rates]]:
    """Tiers out of keys like `input_cost_per_token_above_200k_tokens`; what a tier does not name stays as below it."""
    raised: dict[int, dict[str, Decimal | None]] = {}
    for key in entry:
        found = _THRESHOLD.match(key)
        if found and entry[key] is not None:
            above = int(found[2]) * (1000 if found[3] else 1)
            raised.setdefault(above - 1 if inclusive else above, {})[found[1]] = _rate(entry, key)
    steps = [(0, _complete(flat))]
    rates = dict(flat)
    for above in sorted(raised):
        rates.update(raised[above])
        steps.append((above, _complete(rates)))
    return steps


def _ranges(table: object, flat: Mapping[str, Decimal | None]) -> list[tuple[int, Rates]]:
    """Tiers out of `tiered_pricing`: `{"range": [above, up to], rates}`, without a gap, the last one open at its end."""
    if not isinstance(table, list) or not all(isinstance(row, Mapping) for row in table):
        raise PriceEntryError([f"{TIERED} is no list of tiers"])
    steps: list[tuple[int, Rates]] = []
    end: float = 0
    for row in table:
        limits = row.get("range")
        if not _is_range(limits) or limits[0] != end or limits[1] <= end:
            raise PriceEntryError([f"the ranges of {TIERED} do not follow each other"])
        if row.get(INPUT) is None or set(row) - _TIER:
            raise PriceEntryError([f"a tier of {TIERED} has no input price or keys that are not understood"])
        own = {key: _rate(row, key) for key in _TIER - {"range"}}
        if own[OUTPUT] is None:
            own = {**own, OUTPUT: flat[OUTPUT], REASONING: flat[REASONING] if own[REASONING] is None else own[REASONING]}
        steps.append((int(end), _complete(own)))
        end = limits[1]
    return steps


def _is_range(limits: Any) -> TypeGuard[list[float]]:
    return isinstance(limits, list) and len(limits) == 2 and all(type(end) in (int, float) and 0 <= end <= _MOST_TOKENS for end in limits)


def _as_provider_bills(provider: str, rates: Rates) -> Rates:
    """The classes a provider's own calculator in LiteLLM does not tell apart."""
    if provider == "xai":
        return replace(rates, reasoning=rates.output, audio_output=rates.output)
    if provider == "perplexity":
        return replace(rates, cached=rates.input, cache_write=rates.input, audio_input=rates.input, audio_output=rates.output)
    if provider in _RANGES_ONLY_PROVIDERS:
        return replace(rates, audio_input=rates.input, audio_output=rates.output)
    return rates


def _peak(rates: Rates, off_peak: object) -> Rates:
    """The dearer of the standard and the off-peak rates, whatever the hour."""
    if not isinstance(off_peak, Mapping):
        raise PriceEntryError([f"{OFF_PEAK} is no mapping"])
    names = {INPUT: "input", OUTPUT: "output", CACHED: "cached", CACHE_WRITE: "cache_write", REASONING: "reasoning"}
    unknown = [f"{key} of {OFF_PEAK} is not understood" for key in off_peak if key not in names and _MOVES_THE_PRICE.search(key)]
    if unknown:
        raise PriceEntryError(unknown)
    dearer = {name: rate for key, name in names.items() if (rate := _rate(off_peak, key)) is not None and rate > getattr(rates, name)}
    return replace(rates, **dearer)


def _with_dearest(steps: list[tuple[int, Rates]]) -> tuple[Tier, ...]:
    tiers = []
    dearest_input = dearest_output = Decimal(0)
    for above, rates in steps:
        dearest_input = max(dearest_input, rates.input, rates.cached, rates.cache_write)
        dearest_output = max(dearest_output, rates.output, rates.reasoning)
        tiers.append(Tier(above=above, rates=rates, dearest_input=dearest_input, dearest_output=dearest_output))
    return tuple(tiers)
