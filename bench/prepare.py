"""Fills a site's database for the bench: a model over one transport to the given address, and accounts. Prints their keys as JSON.

python -m bench.prepare native http://127.0.0.1:9000/v1 64
"""

from __future__ import annotations

import json
import os
import sys
from decimal import Decimal

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "beatra_site.settings")
django.setup()

# ruff: noqa: E402 — the apps can be imported only now
from catalog import costing, editing
from catalog.cost import DECIMAL
from catalog.models import Model, Route
from tests.customer import Customer

PRICES = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-07, "output_cost_per_token": 4e-07}


def main(transport: str, base_url: str, accounts: str) -> None:
    limits = {"context_window": 8192, "max_output_tokens": 1024, "default_output_tokens": 256}
    model = Model(id=f"bench-{transport}", display_name=transport, supported_fields=["temperature"], **limits)
    editing.save_model(model, actor=None)
    editing.add_price(model, author=None, reason="bench", credits_per_litellm_usd=Decimal(1000))
    route = Route(model=model, name="bench", enabled=True, transport=transport, base_url=base_url, cost_override=PRICES)
    route.litellm_model, route.upstream_model = "openai/bench", "bench"
    costing.bring_up_to_date(route, method=DECIMAL)
    editing.save_route(route, actor=None)
    model.enabled = True
    editing.save_model(model, actor=None)
    free = {"balance": 1_000_000, "max_in_flight": 10_000, "requests_per_minute": 1_000_000}
    print(json.dumps([Customer("", **free).token for _ in range(int(accounts))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
