"""Models and routes of the snapshot, made by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from catalog.cost import cost_row
from catalog.snapshot import Catalog, ModelInfo, PriceInfo, RouteInfo

PRICES = {"litellm_provider": "openai", "input_cost_per_token": "0.000001", "output_cost_per_token": "0.000002"}
MINIMAX = {
    "litellm_provider": "minimax",
    "input_cost_per_token": 3e-07,
    "output_cost_per_token": 1.2e-06,
    "cache_read_input_token_cost": 6e-08,
    "cache_creation_input_token_cost": 3.75e-07,
}
TIERED = {
    "litellm_provider": "openai",
    "input_cost_per_token": 1e-06,
    "output_cost_per_token": 2e-06,
    "input_cost_per_token_above_200k_tokens": 1.5e-06,
    "output_cost_per_token_above_200k_tokens": 3e-06,
}


def route(name: str = "sandbox", *, prices: dict[str, Any] | None = None, **fields: Any) -> RouteInfo:
    given: dict[str, Any] = {
        "id": 1,
        "rank": 10,
        "transport": "litellm",
        "litellm_model": "openai/test",
        "upstream_model": "test",
        "base_url": "http://127.0.0.1:1/chat/v1",
        "credential_env": "",
        "sandbox": True,
        "stoppable": False,
        "cost": cost_row(1, prices or PRICES, version=1, method="decimal", source="test"),
    }
    return RouteInfo(name=name, **{**given, **fields})


def model(id: str = "test", *, markup: str = "1000", routes: tuple[RouteInfo, ...] | None = None, **fields: Any) -> ModelInfo:
    given: dict[str, Any] = {
        "display_name": id,
        "capability": "chat",
        "auto_rank": None,
        "context_window": 100_000,
        "max_output_tokens": 10_000,
        "default_output_tokens": 1000,
        "tokens_per_image": 0,
        "supported_fields": frozenset(),
        "temperature_min": Decimal(0),
        "temperature_max": Decimal(2),
        "model_options": {},
        "created": 0,
        "price": PriceInfo(version=1, credits_per_litellm_usd=Decimal(markup)),
    }
    return ModelInfo(id=id, routes=(route(),) if routes is None else routes, **{**given, **fields})


def catalog(*models: ModelInfo) -> Catalog:
    return Catalog(models={one.id: one for one in models})
