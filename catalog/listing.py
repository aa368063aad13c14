"""A model of the snapshot as the public catalog shows it. Nothing of its routes but the prices that come of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from catalog import capabilities, music_listing
from catalog.fields import EVERY_MODEL, FIELDS, IMAGES
from catalog.music_limits import FAMILIES
from catalog.price_list import Rates
from catalog.snapshot import ModelInfo
from contract.limits import IMAGES as MOST_IMAGES
from wallets import money

_CLASSES = ("input", "cached", "cache_write", "output", "reasoning")
# In the order a reader expects, which PostgreSQL's JSON does not keep
_OF_AN_OPTION = ("type", "minimum", "maximum", "choices", "description")


def summary(id: str, *, created: int) -> dict[str, Any]:
    """The shape `catalog.answers.ModelSummary`: OpenAI's. `created` is in seconds since 1970."""
    return {"id": id, "object": "model", "created": created, "owned_by": "beatra"}


def is_flat(model: ModelInfo) -> bool:
    """Whether a task of this model has a fixed price."""
    return model.capability != "chat"


def entry(model: ModelInfo, *, credits_per_usd: Decimal | None) -> dict[str, Any]:
    """The shape `catalog.answers.CatalogModel`. `credits_per_usd` is the wallet's rate, which a flat price is shown by."""
    offered = list(capabilities.of_kind(model.capability))
    takes = music_listing.takes(FAMILIES[model.family]) if model.family else _takes(model)
    return {
        **summary(model.id, created=model.created),
        "display_name": model.display_name,
        "capabilities": [capability.id for capability in offered],
        "status": offered[0].label,
        "input_modalities": _once(*(capability.input_modalities for capability in offered), ("image",) if _sees(model) else ()),
        "output_modalities": _once(*(capability.output_modalities for capability in offered)),
        "context_window": model.context_window or None,
        "max_output_tokens": model.max_output_tokens or None,
        "default_output_tokens": model.default_output_tokens or None,
        "supported_fields": takes["supported_fields"],
        "supported_options": takes["supported_options"],
        "pricing": _pricing(model, credits_per_usd=credits_per_usd),
        "auto_rank": model.auto_rank,
        "limits": takes["limits"],
    }


def _takes(model: ModelInfo) -> dict[str, Any]:
    """What a chat model takes."""
    return {
        "supported_fields": _fields(model),
        "supported_options": {name: _option(shape) for name, shape in model.model_options.items()},
        "limits": _limits(model),
    }


def _sees(model: ModelInfo) -> bool:
    return IMAGES in model.supported_fields


def _once(*lists: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))


def _fields(model: ModelInfo) -> list[str]:
    """The optional fields of a chat request that `model` takes: an image is a part of a message, no field."""
    own = [name for name in FIELDS if name in model.supported_fields and name != IMAGES]
    return _once(EVERY_MODEL, tuple(own), ("model_options",) if model.model_options else ())


def _option(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {key: shape[key] for key in _OF_AN_OPTION if key in shape}


def _limits(model: ModelInfo) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if "temperature" in model.supported_fields:
        limits["temperature"] = {"minimum": float(model.temperature_min), "maximum": float(model.temperature_max)}
    if _sees(model):
        limits |= {"images": MOST_IMAGES, "tokens_per_image": model.tokens_per_image}
    return limits


def _pricing(model: ModelInfo, *, credits_per_usd: Decimal | None) -> dict[str, Any]:
    """By LiteLLM's cost, at the rates of the route that is tried first: failover may meet others, the receipt has what was paid."""
    price = model.price
    if is_flat(model):
        assert credits_per_usd is not None
        reference = money.usd_reference(price.credits_per_task, rate=credits_per_usd)
        return {"basis": "flat", "credits_per_task": money.as_text(price.credits_per_task), "usd_reference": money.as_text(reference)}
    prices = model.routes[0].cost.prices
    base, *tiers = [(tier.above, _per_million(tier.rates, price.credits_per_litellm_usd)) for tier in prices.tiers]
    return {
        "basis": "litellm_cost",
        "credits_per_litellm_usd": money.as_text(price.credits_per_litellm_usd),
        "credits_per_million_tokens": base[1],
        "tiers": [{"above_prompt_tokens": above, "credits_per_million_tokens": rates} for above, rates in tiers],
        "peak_prices": prices.by_the_clock,
    }


def _per_million(rates: Rates, credits_per_litellm_usd: Decimal) -> dict[str, str]:
    return {
        name: money.exact_text(
            money.product(money.product(getattr(rates, name), credits_per_usd=Decimal(1_000_000)), credits_per_usd=credits_per_litellm_usd)
        )
        for name in _CLASSES
    }
