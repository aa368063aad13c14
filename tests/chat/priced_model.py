"""Models with round prices, so that worked examples come out to the digit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from catalog.models import Model, Price, Route
from contract.ids import new_id
from tests.contract.wire import eventually
from tests.customer import Customer


def priced_model(
    v1: str,
    *,
    input_usd: str = "0.000001",
    output_usd: str = "0.000002",
    markup: str = "1500",
    enabled: bool = True,
    base_url: str = "",
    transport: str = "native",
    upstream: str = "MiniMax-M2.7",
    stoppable: bool = False,
    backups: Sequence[str] = (),
    **fields: Any,
) -> str:
    """The id of a new model, `input_usd` and `output_usd` a token and `markup` credits per USD, which the site at `v1` has seen.

    It goes over the sandbox, or to `base_url`, where it is called `upstream`; after that over its `backups`, as many routes to such
    places, "" for the sandbox. `fields` are more of the model's.
    """
    id = new_id("test")
    model = Model.objects.create(
        id=id,
        display_name=id,
        enabled=enabled,
        **{"context_window": 100_000, "max_output_tokens": 10_000, "default_output_tokens": 1000, **fields},
    )
    for rank, address in enumerate((base_url, *backups)):
        Route.objects.create(
            model=model,
            name=f"backup-{rank}" if rank else "sandbox",
            rank=rank,
            enabled=True,
            sandbox=not address,
            base_url=address,
            transport=transport,
            litellm_model=f"openai/{upstream}",
            upstream_model=upstream,
            stoppable=stoppable,
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
    models = Customer(v1).http
    assert not enabled or eventually(lambda: models.get(f"/models/{id}").status_code == 200)
    return id
