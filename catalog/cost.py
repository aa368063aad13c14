"""What a call costs in USD. LiteLLM is the authority; this is the only file of the catalog that imports it.

Plain price lists are summed here in Decimal, a thousand times quicker than by LiteLLM. That this gives the same is not
believed but checked: `method_of` compares both over 200 generated usages whenever a route's price list changes, and
marks the route `decimal` or `litellm`. A list that goes by the clock is always `litellm`.

The reference is `litellm.cost_per_token` with the price list registered under the route's **own** key: never the
`response_cost` of a response, which follows the model name that the upstream echoes and is 0.0 where usage is missing.

litellm takes 3 s and 200 MB to import: only a `litellm` row or `method_of` does it. `needs_litellm` of the snapshot
tells a process to call `load_litellm` in a thread when it starts; on an event loop `ready` is awaited before any sum, since a
route can become a `litellm` one while the process runs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from catalog import price_list
from catalog.price_list import PriceEntryError, PriceList
from wallets import money

Method = Literal["decimal", "litellm"]
DECIMAL: Method = "decimal"
LITELLM: Method = "litellm"


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """What a call used, in tokens, counted as OpenAI counts.

    `prompt_tokens` include the cached, written and audio ones, `completion_tokens` the reasoning and audio ones.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    audio_prompt_tokens: int = 0
    audio_completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class CostRow:
    """A route's price list, ready for sums. `source` goes on the usage record: whose list it is and its version."""

    key: str
    version: int
    source: str
    method: Method
    prices: PriceList
    entry: Mapping[str, Any] = field(hash=False, compare=False, repr=False)

    def dearest_input(self, prompt_tokens: int) -> Decimal:
        """The dearest USD per token of input that a prompt of up to `prompt_tokens` can meet, cache writes included."""
        return self.prices.tier(prompt_tokens).dearest_input

    def dearest_output(self, prompt_tokens: int) -> Decimal:
        """The dearest USD per token of output after a prompt of up to `prompt_tokens`, reasoning included."""
        return self.prices.tier(prompt_tokens).dearest_output


def cost_row(route_id: int | str, entry: Mapping[str, Any], *, version: int, method: Method, source: str) -> CostRow:
    """The row of a route's price entry. Raises PriceEntryError if the entry can't be sold from."""
    return CostRow(
        key=f"beatra-route-{route_id}-{version}",
        version=version,
        source=f"{source}, version {version}",
        method=method,
        prices=price_list.read(entry),
        entry=entry,
    )


def costed(row: CostRow, usage: TokenUsage) -> tuple[Decimal, list[dict[str, Any]]]:
    """LiteLLM's cost of `usage` in USD, twelve places, and the lines that it is the sum of, as the usage record keeps them.

    There is a line for each class of tokens that there are, `{"class", "tokens", "usd_per_token", "usd"}`: class is input, cached,
    cache_write, audio_input, output, reasoning or audio_output, each token in one of them; amounts are exact decimal texts in USD, at
    the rates of the prompt's tier. Their sum, rounded once to twelve places, is the cost. No lines for a `litellm` row: LiteLLM gives
    its sum as a whole. Such a row imports litellm, blocking for seconds, unless `ready` was awaited.
    """
    if row.method == LITELLM:
        return litellm_cost_usd(row, usage), []
    cost, lines = Decimal(0), []
    for name, tokens, rate in _by_class(row, usage):
        usd = money.EXACT.multiply(rate, tokens)
        cost = money.EXACT.add(cost, usd)
        lines.append({"class": name, "tokens": tokens, "usd_per_token": _plain(rate), "usd": _plain(usd)})
    return money.usd(cost), lines


def cost_usd(row: CostRow, usage: TokenUsage) -> Decimal:
    """The cost that `costed` gives, where nobody asks for its lines."""
    return costed(row, usage)[0]


def _by_class(row: CostRow, usage: TokenUsage) -> list[tuple[str, int, Decimal]]:
    """(class, tokens, USD per token) of each class that `usage` has tokens of; no token is in two of them."""
    rates = row.prices.tier(usage.prompt_tokens).rates
    text = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens - usage.audio_prompt_tokens
    visible = usage.completion_tokens - usage.reasoning_tokens - usage.audio_completion_tokens
    classes = (
        ("input", text, rates.input),
        ("cached", usage.cached_tokens, rates.cached),
        ("cache_write", usage.cache_write_tokens, rates.cache_write),
        ("audio_input", usage.audio_prompt_tokens, rates.audio_input),
        ("output", visible, rates.output),
        ("reasoning", usage.reasoning_tokens, rates.reasoning),
        ("audio_output", usage.audio_completion_tokens, rates.audio_output),
    )
    return [line for line in classes if line[1] > 0]


def _plain(amount: Decimal) -> str:
    """An exact amount without exponent or zeros at its end: "0.0000003"."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def litellm_cost_usd(row: CostRow, usage: TokenUsage) -> Decimal:
    """The reference: `cost_per_token` under the row's own key with the full usage, its float by the shortest text."""
    litellm = load_litellm()
    provider = row.prices.provider
    key = f"{provider}/{row.key}"
    if key not in litellm.model_cost:
        litellm.register_model({key: {**row.entry, "litellm_provider": provider}}, persist_across_reloads=False)
    prompt_usd, completion_usd = litellm.cost_per_token(
        model=row.key,
        custom_llm_provider=provider,
        usage_object=litellm_usage(usage),
    )
    return money.usd(prompt_usd + completion_usd)


def litellm_usage(usage: TokenUsage) -> Any:
    """`usage` as LiteLLM's own Usage, with every class."""
    return load_litellm().Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details={
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": usage.audio_prompt_tokens,
        },
        completion_tokens_details={"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": usage.audio_completion_tokens},
    )


def method_of(entry: Mapping[str, Any], *, usages: int = 200) -> Method:
    """Who is to do the sums of a price entry: `decimal` if our sums equal LiteLLM's, else `litellm`.

    Imports litellm: seconds, once in a process. Raises PriceEntryError for an entry that can't be sold from, also when
    LiteLLM says that output is free or asks more than the dearest rates of a hold.
    """
    row = cost_row("check", entry, version=abs(hash(repr(entry))), method=DECIMAL, source="check")
    method: Method = LITELLM if row.prices.by_the_clock else DECIMAL
    try:
        for usage in generated_usages(row.prices, usages):
            theirs = litellm_cost_usd(row, usage)
            if usage.completion_tokens and theirs <= 0:
                raise PriceEntryError(["LiteLLM says that output is free"])
            if not usage.audio_prompt_tokens and not usage.audio_completion_tokens and theirs > _dearest(row, usage):
                raise PriceEntryError(["LiteLLM asks more than the rates of this entry"])
            if method == DECIMAL and theirs != cost_usd(row, usage):
                method = LITELLM
    finally:
        load_litellm().model_cost.pop(f"{row.prices.provider}/{row.key}", None)
    return method


def generated_usages(prices: PriceList, count: int, *, seed: int = 7) -> Iterator[TokenUsage]:
    """`count` possible usages, the same ones each time: both sides of every tier, every mix of classes, all sizes."""
    draw = random.Random(seed)  # noqa: S311 - examples, no secrets
    edges = [1, *(tier.above + step for tier in prices.tiers if tier.above for step in (0, 1))]
    for number in range(count):
        prompt = edges[number] if number < len(edges) else int(10 ** draw.uniform(0, 6.2))
        completion = 0 if number % 20 == 19 else int(10 ** draw.uniform(0, 5))
        cached, written, heard = _parts(draw, prompt)
        reasoning, said, _ = _parts(draw, completion)
        plain = number % 3 == 0
        yield TokenUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=0 if plain else cached,
            cache_write_tokens=0 if plain else written,
            reasoning_tokens=0 if plain else reasoning,
            audio_prompt_tokens=heard if number % 3 == 2 else 0,
            audio_completion_tokens=said if number % 3 == 2 else 0,
        )


def _parts(draw: random.Random, total: int) -> tuple[int, int, int]:
    first = draw.randint(0, total)
    second = draw.randint(0, total - first)
    return first, second, draw.randint(0, total - first - second)


def _dearest(row: CostRow, usage: TokenUsage) -> Decimal:
    most_usd = row.dearest_input(usage.prompt_tokens) * usage.prompt_tokens
    return most_usd + row.dearest_output(usage.prompt_tokens) * usage.completion_tokens + money.TWELVE_PLACES


@cache
def load_litellm() -> Any:
    """LiteLLM itself. The first call imports it, which takes seconds: make it in a thread."""
    os.environ.update(
        LITELLM_LOCAL_MODEL_COST_MAP="True",  # else the import fetches prices from the network
        LITELLM_MODE="PRODUCTION",  # else the import loads a .env file into the environment
        LITELLM_LOG="CRITICAL",  # its error lines quote the upstream
    )
    # Pydantic's warnings about an odd answer quote it
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
        logging.getLogger(name).handlers[:] = [logging.NullHandler()]  # it adds its own; its lines quote prompts and upstreams
    return litellm


async def loaded() -> Any:
    """LiteLLM itself, imported in a thread if this process has not yet."""
    return load_litellm() if load_litellm.cache_info().currsize else await asyncio.to_thread(load_litellm)


async def ready(row: CostRow) -> None:
    """LiteLLM imported, in a thread, where the sums of `row` need it: else `costed` would hold the event loop up for seconds."""
    if row.method == LITELLM:
        await loaded()
