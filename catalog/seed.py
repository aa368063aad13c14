"""The catalog that a new installation starts with: four chat models and two of music, each with a real route and a sandbox one.

The real route is on where its credential is in the environment; else, and only in a sandbox, the sandbox's is. Runs at
every start, in milliseconds: it adds what is missing, switches its own routes when a credential comes or goes, and
never touches what staff changed. litellm is not imported: prices are read from its map on the disk, and the tests prove
that our Decimal sums of these lists equal LiteLLM's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from catalog import costing, editing
from catalog.cost import DECIMAL
from catalog.models import Capability, Model, Route, Transport
from catalog.music_seed import MUSIC_SEEDS, MusicSeed

SANDBOX_ROUTE = "sandbox"
_OFF = "the sandbox is off"
_REAL_INSTEAD = "the provider's own route is on"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seed:
    """A chat model to begin with, its provider, and the markup in credits per LiteLLM USD.

    `prices` stands in where LiteLLM's map has none, in its own shape.
    """

    id: str
    display_name: str
    auto_rank: int
    context_window: int
    max_output_tokens: int
    default_output_tokens: int = 4096
    tokens_per_image: int = 0
    supported_fields: tuple[str, ...]
    model_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    temperature: tuple[str, str] = ("0", "2")
    markup: str
    provider: str
    base_url: str = ""
    prices: dict[str, Any] | None = None
    cost_key: str = ""
    environment: str
    transport: Transport = Transport.NATIVE

    @property
    def credential_env(self) -> str:
        return f"{self.environment}_API_KEY"


_SAMPLING = ("temperature", "top_p", "stop")
_TOOLS = ("tools", "tool_choice", "parallel_tool_calls", "response_format")

SEEDS = (
    _Seed(
        id="MiniMax-M2.7",
        display_name="MiniMax M2.7",
        auto_rank=10,
        context_window=204_800,
        max_output_tokens=131_072,
        supported_fields=(*_SAMPLING, *_TOOLS),
        temperature=("0.01", "1"),
        markup="1500",
        provider="minimax",
        base_url="https://api.minimax.io/v1",
        environment="MINIMAX",
        # The vendor's list price: LiteLLM's map has M2.5 and M3, but only resellers of M2.7
        prices={
            "litellm_provider": "minimax",
            "mode": "chat",
            "input_cost_per_token": 3e-07,
            "output_cost_per_token": 1.2e-06,
            "cache_read_input_token_cost": 6e-08,
            "cache_creation_input_token_cost": 3.75e-07,
        },
    ),
    _Seed(
        id="gpt-4o-mini",
        display_name="GPT-4o mini",
        auto_rank=20,
        context_window=128_000,
        max_output_tokens=16_384,
        # An image of 1024 x 1024 in high detail
        tokens_per_image=25_501,
        supported_fields=(
            *_SAMPLING,
            *_TOOLS,
            "n",
            "seed",
            "frequency_penalty",
            "presence_penalty",
            "logit_bias",
            "logprobs",
            "top_logprobs",
            "image_url",
        ),
        markup="1300",
        provider="openai",
        base_url="https://api.openai.com/v1",
        environment="OPENAI",
        cost_key="gpt-4o-mini",
    ),
    _Seed(
        id="qwen-max",
        display_name="Qwen Max",
        auto_rank=30,
        context_window=32_768,
        max_output_tokens=8192,
        supported_fields=(*_SAMPLING, *_TOOLS, "seed", "presence_penalty"),
        temperature=("0", "1.99"),
        # As Model Studio's reference of its OpenAI-compatible endpoint has them
        model_options={
            "top_k": {"type": "integer", "minimum": 0, "maximum": 100, "description": "How many of the likeliest tokens are picked from."},
            "repetition_penalty": {
                "type": "number",
                "minimum": 0.1,
                "maximum": 2,
                "description": "Above 1, what came already is less likely; 1 changes nothing.",
            },
        },
        markup="1300",
        provider="dashscope",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        environment="DASHSCOPE",
        cost_key="dashscope/qwen-max",
    ),
    _Seed(
        id="claude-sonnet-5-5",
        display_name="Claude Sonnet 5.5",
        auto_rank=40,
        context_window=1_000_000,
        max_output_tokens=128_000,
        tokens_per_image=4784,
        # It takes no sampling parameters
        supported_fields=("stop", *_TOOLS, "reasoning_effort", "image_url"),
        markup="1300",
        provider="anthropic",
        environment="ANTHROPIC",
        cost_key="claude-sonnet-5-5",
        transport=Transport.LITELLM,
    ),
)


@transaction.atomic
def seed() -> None:
    """Bring the catalog to its starting state. Idempotent."""
    for one in SEEDS:
        model, new = Model.objects.get_or_create(
            id=one.id,
            defaults={
                "display_name": one.display_name,
                "capability": Capability.CHAT,
                "auto_rank": one.auto_rank,
                "context_window": one.context_window,
                "max_output_tokens": one.max_output_tokens,
                "default_output_tokens": one.default_output_tokens,
                "tokens_per_image": one.tokens_per_image,
                "supported_fields": sorted(one.supported_fields),
                "model_options": one.model_options,
                "temperature_min": Decimal(one.temperature[0]),
                "temperature_max": Decimal(one.temperature[1]),
            },
        )
        if new:
            editing.add_price(model, author=None, reason="seed", credits_per_litellm_usd=Decimal(one.markup))
            _add_routes(model, one)
        _switch_on(model, new=new)
    for music in MUSIC_SEEDS:
        model, new = Model.objects.get_or_create(
            id=music.id,
            defaults={"display_name": music.display_name, "capability": Capability.MUSIC, "auto_rank": music.auto_rank},
        )
        if new:
            editing.add_price(
                model, author=None, reason="seed", credits_per_task=music.credits_per_task, provider_cost_usd=music.provider_cost_usd
            )
            _add_music_routes(model, music)
        _switch_on(model, new=new)


def _switch_on(model: Model, *, new: bool) -> None:
    _switch_routes(model)
    if new:
        model.enabled = True
        editing.save_model(model, actor=None)


def _add_music_routes(model: Model, one: MusicSeed) -> None:
    shared: dict[str, Any] = {"model": model, "transport": one.transport, "upstream_model": one.upstream_model}
    real = Route(
        **shared, name=one.provider, rank=10, base_url=one.base_url, base_url_env=one.base_url_env, credential_env=one.credential_env
    )
    editing.save_route(real, actor=None, disabled_reason=_unset(one.credential_env))
    editing.save_route(Route(**shared, name=SANDBOX_ROUTE, rank=1000, sandbox=True), actor=None, disabled_reason=_OFF)


def _add_routes(model: Model, one: _Seed) -> None:
    shared: dict[str, Any] = {"model": model, "cost_key": one.cost_key, "cost_override": one.prices}
    real = Route(
        **shared,
        name=one.provider,
        rank=10,
        transport=one.transport,
        litellm_model=f"{one.provider}/{one.id}",
        upstream_model=one.id,
        base_url=one.base_url,
        base_url_env=f"{one.environment}_API_BASE",
        credential_env=one.credential_env,
    )
    sandbox = Route(
        **shared,
        name=SANDBOX_ROUTE,
        rank=1000,
        transport=Transport.NATIVE,
        litellm_model=f"openai/{one.id}",
        upstream_model=one.id,
        sandbox=True,
    )
    for route, reason in ((real, _unset(one.credential_env)), (sandbox, _OFF)):
        costing.bring_up_to_date(route, method=DECIMAL)
        editing.save_route(route, actor=None, disabled_reason=reason)


def _switch_routes(model: Model) -> None:
    """Switch the real and the sandbox routes by what there is, as far as it was the seed that switched them last."""
    routes = list(model.routes.all())
    for route in routes:
        if not route.sandbox and route.credential_env:
            reason = _unset(route.credential_env)
            _switch(route, on=bool(os.environ.get(route.credential_env)), reason=reason, own=(reason,))
    real = any(route.enabled and not route.sandbox for route in routes)
    for route in routes:
        if route.sandbox:
            reason = _OFF if not settings.SANDBOX else _REAL_INSTEAD
            _switch(route, on=settings.SANDBOX and not real, reason=reason, own=(_OFF, _REAL_INSTEAD))


def _switch(route: Route, *, on: bool, reason: str, own: tuple[str, ...]) -> None:
    if not route.enabled and route.disabled_reason not in own:
        return
    if route.enabled != on or (not on and route.disabled_reason != reason):
        route.enabled = on
        editing.save_route(route, actor=None, disabled_reason=reason)


def _unset(name: str) -> str:
    return f"{name} is not set"
