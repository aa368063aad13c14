"""The catalog as a call sees it: an immutable copy in the process, at most two seconds old.

Loaded by one SQL statement, so it is one moment's truth, by whoever finds it too old; the others wait for the same
load. While the database is away the old copy serves for a minute. An admitted call keeps the objects it started with,
whatever staff change meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

import orjson

from catalog import tokens
from catalog.address import address
from catalog.cost import DECIMAL, LITELLM, CostRow, cost_row
from catalog.fields import OPTION_PREFIX
from catalog.music_limits import FAMILIES
from catalog.price_list import PriceEntryError, with_provider
from contract.errors import ApiError
from wallets import pool

FRESH_SECONDS = 2.0
STALE_SECONDS = 60.0
_LOAD_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_NO_PRICE = Decimal(0)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PriceInfo:
    """The version of a model's price that counts now: credits for each USD of LiteLLM's cost, or for each task."""

    version: int
    credits_per_litellm_usd: Decimal
    credits_per_task: Decimal = _NO_PRICE


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """One enabled route, ready for use. `base_url` is resolved, empty for the provider's own."""

    id: int
    name: str
    rank: int
    transport: str
    litellm_model: str
    upstream_model: str
    base_url: str
    credential_env: str
    sandbox: bool
    stoppable: bool
    cost: CostRow

    def api_key(self) -> str | None:
        """The credential, read from the environment at each call. Never log it.

        A route to an address of its own that names no credential gets a stand-in: LiteLLM would else send there what it
        finds in the environment for that dialect. None: the provider finds its own.
        """
        if self.credential_env:
            return os.environ.get(self.credential_env)
        return "none" if self.base_url else None

    @property
    def needs_litellm(self) -> bool:
        """Whether a process that uses this route must have litellm imported."""
        return self.transport == "litellm" or self.cost.method == LITELLM


@dataclass(frozen=True)
class ModelInfo:
    """One enabled model. Limits are tokens, `temperature_*` the range it takes; `routes` are in the order to try.

    A music model has no `routes` here, which are for workers (`catalog.music_models`), but a `family` (`catalog.music_limits`): that of
    its routes, as long as one of them can be used.
    """

    id: str
    display_name: str
    capability: str
    auto_rank: int | None
    context_window: int
    max_output_tokens: int
    default_output_tokens: int
    tokens_per_image: int
    supported_fields: frozenset[str]
    temperature_min: Decimal
    temperature_max: Decimal
    model_options: Mapping[str, Any] = field(hash=False)
    created: int
    price: PriceInfo
    routes: tuple[RouteInfo, ...]
    family: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether there is a route to it, here and now."""
        return bool(self.routes or self.family)

    def lacks(self, fields: frozenset[str]) -> list[str]:
        """Those of a request's fields (`catalog.fields`) that this model does not take, sorted."""
        return sorted(name for name in fields if name not in self._takes)

    @cached_property
    def _takes(self) -> frozenset[str]:
        return self.supported_fields | {OPTION_PREFIX + name for name in self.model_options}


@dataclass(frozen=True)
class Catalog:
    """Every enabled model that has a price, by id, in the order of `auto` and then of ids."""

    models: Mapping[str, ModelInfo]

    @property
    def needs_litellm(self) -> bool:
        """Whether any enabled route needs litellm imported."""
        return any(route.needs_litellm for model in self.models.values() for route in model.routes)

    @cached_property
    def auto(self) -> tuple[ModelInfo, ...]:
        """The chat models of `auto`, in the staff's order."""
        return tuple(model for model in self.models.values() if model.auto_rank is not None and model.capability == "chat")


# One statement is one snapshot. The newest price whose time has come counts, by the database's clock.
_LOAD = """
SELECT m.id, m.display_name, m.capability, m.auto_rank, m.context_window, m.max_output_tokens, m.default_output_tokens,
       m.tokens_per_image, m.supported_fields::text AS supported_fields, m.temperature_min, m.temperature_max,
       m.model_options::text AS model_options, extract(epoch FROM m.created_at)::bigint AS created,
       p.version AS price_version, p.credits_per_litellm_usd, p.credits_per_task,
       (SELECT coalesce(json_agg(r ORDER BY r.rank, r.id), '[]')
          FROM (SELECT id, name, rank, transport, litellm_model, upstream_model, base_url, base_url_env, credential_env,
                       sandbox, stoppable, coalesce(cost_override, cost_entry)::text AS cost_entry, cost_source,
                       cost_method, cost_version
                  FROM catalog_route WHERE model_id = m.id AND enabled) r)::text AS routes
  FROM catalog_model m
 CROSS JOIN LATERAL (SELECT version, credits_per_litellm_usd, credits_per_task
                       FROM catalog_price
                      WHERE model_id = m.id AND effective_from <= now()
                      ORDER BY effective_from DESC, version DESC
                      LIMIT 1) p
 WHERE m.enabled
 ORDER BY m.auto_rank NULLS LAST, m.id
"""


class _Copy:
    """The process's copy and the load that renews it."""

    def __init__(self) -> None:
        self.catalog: Catalog | None = None
        self.loaded_at = self.tried_at = float("-inf")
        self.load: asyncio.Task[None] | None = None

    def age_seconds(self) -> float:
        return time.monotonic() - self.loaded_at

    def loading(self) -> bool:
        # A load of an event loop that is gone can't be waited for
        return self.load is not None and not self.load.done() and self.load.get_loop() is asyncio.get_running_loop()

    async def renew(self) -> None:
        if self.load is None or not self.loading():
            self.load = asyncio.create_task(self._load())
        await asyncio.shield(self.load)

    async def _load(self) -> None:
        self.tried_at = time.monotonic()
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                catalog = await read()
        except Exception as error:  # whatever keeps the catalog from loading, the old copy serves on
            logger.warning("catalog not loaded: %s", type(error).__name__)
            return
        # Dated by the start of the load: what it holds is no newer
        self.catalog, self.loaded_at = catalog, self.tried_at


_copy = _Copy()


async def load() -> None:
    """Load the catalog and the vocabulary at the start of a process, so that no call waits for them."""
    _, vocabulary = await asyncio.gather(_copy.renew(), asyncio.to_thread(tokens.warm), return_exceptions=True)
    if isinstance(vocabulary, BaseException):
        raise vocabulary


async def current() -> Catalog:
    """The catalog, at most two seconds old; up to a minute while the database is away.

    Raises ApiError service_unavailable if there is none that young.
    """
    if _copy.catalog is not None and _copy.age_seconds() < FRESH_SECONDS:
        return _copy.catalog
    if _copy.loading() or time.monotonic() - _copy.tried_at >= _RETRY_SECONDS:
        await _copy.renew()
    if _copy.catalog is None or _copy.age_seconds() >= STALE_SECONDS:
        raise ApiError("service_unavailable")
    return _copy.catalog


async def read() -> Catalog:
    """The catalog as it stands in the database now."""
    async with pool.connection() as connection:
        cursor = await connection.execute(_LOAD)
        columns = [column.name for column in cursor.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in await cursor.fetchall()]
    return Catalog(models={row["id"]: _model(row) for row in rows})


def _model(row: Mapping[str, Any]) -> ModelInfo:
    reached = [(route, base_url) for route in orjson.loads(row["routes"]) if (base_url := _address(route)) is not None]
    return ModelInfo(
        id=row["id"],
        display_name=row["display_name"],
        capability=row["capability"],
        auto_rank=row["auto_rank"],
        context_window=row["context_window"],
        max_output_tokens=row["max_output_tokens"],
        default_output_tokens=row["default_output_tokens"],
        tokens_per_image=row["tokens_per_image"],
        supported_fields=frozenset(orjson.loads(row["supported_fields"])),
        temperature_min=row["temperature_min"],
        temperature_max=row["temperature_max"],
        model_options=orjson.loads(row["model_options"]),
        created=row["created"],
        price=PriceInfo(
            version=row["price_version"],
            credits_per_litellm_usd=row["credits_per_litellm_usd"] or _NO_PRICE,
            credits_per_task=row["credits_per_task"] or _NO_PRICE,
        ),
        routes=tuple(_routes(reached)),
        family=_family(reached) if row["capability"] == "music" else "",
    )


def _family(reached: Iterable[tuple[Mapping[str, Any], str]]) -> str:
    return next((str(route["transport"]) for route, _ in reached if route["transport"] in FAMILIES), "")


def _address(route: Mapping[str, Any]) -> str | None:
    return address(**{name: route[name] for name in ("transport", "sandbox", "base_url", "base_url_env", "credential_env")})


def _routes(reached: Iterable[tuple[Mapping[str, Any], str]]) -> Iterable[RouteInfo]:
    """The chat routes among those that can be used here and now, with their addresses."""
    for row, base_url in reached:
        if row["transport"] in FAMILIES:
            continue
        try:
            cost = _cost(row["id"], row["litellm_model"], row["cost_entry"], row["cost_version"], row["cost_method"], row["cost_source"])
        except PriceEntryError:
            logger.warning("route %s left out: its price entry is not understood", row["id"])
            continue
        yield RouteInfo(
            id=row["id"],
            name=row["name"],
            rank=row["rank"],
            transport=row["transport"],
            litellm_model=row["litellm_model"],
            upstream_model=row["upstream_model"] or row["litellm_model"].partition("/")[2] or row["litellm_model"],
            base_url=base_url,
            credential_env=row["credential_env"],
            sandbox=row["sandbox"],
            stoppable=row["stoppable"],
            cost=cost,
        )


@lru_cache(maxsize=1024)
def _cost(route_id: int, litellm_model: str, entry: str, version: int, method: str, source: str) -> CostRow:
    prices = with_provider(orjson.loads(entry), litellm_model)
    return cost_row(route_id, prices, version=version, method=DECIMAL if method == DECIMAL else LITELLM, source=source)
