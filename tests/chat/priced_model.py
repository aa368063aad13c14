"""Models with round prices, so that worked examples come out to the digit."""

from __future__ import annotations

import time
from decimal import Decimal

from catalog.models import Model, Price, Route
from catalog.snapshot import FRESH_SECONDS
from contract.ids import new_id


def priced_model(*, input_usd: str, output_usd: str, markup: str, context_window: int = 100_000, max_output_tokens: int = 10_000) -> str:
    """The id of a new model over the sandbox, `input_usd` and `output_usd` a token and `markup` credits per USD."""
    id = new_id("test")
    model = Model.objects.create(
        id=id,
        display_name=id,
        enabled=True,
        context_window=context_window,
        max_output_tokens=max_output_tokens,
        default_output_tokens=1000,
    )
    Route.objects.create(
        model=model,
        name="sandbox",
        enabled=True,
        sandbox=True,
        litellm_model="openai/MiniMax-M2.7",
        upstream_model="MiniMax-M2.7",
        cost_override={
            "litellm_provider": "openai",
            "mode": "chat",
            "input_cost_per_token": float(input_usd),
            "output_cost_per_token": float(output_usd),
        },
        cost_method="decimal",
        cost_version=1,
    )
    Price.objects.create(model=model, version=1, credits_per_litellm_usd=Decimal(markup), reason="test")
    # Until then a process may go by the catalog it has.
    time.sleep(FRESH_SECONDS + 0.2)
    return id
