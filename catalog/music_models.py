"""The music models as a request and a worker see them: flat prices, and the routes that can be used here and now.

Read from the database at each use: a task is created, or takes a step, a few times a second at most.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from catalog.address import address
from catalog.models import Capability, Model, Route
from catalog.music_limits import FAMILIES, MusicLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicModel:
    """An enabled music model with its price in force.

    `family` is the transport of its routes, also of those that can't be used now.
    """

    id: str
    display_name: str
    family: str
    auto_rank: int | None
    price_version: int
    credits_per_task: Decimal
    routes: tuple[MusicRoute, ...]

    @property
    def limits(self) -> MusicLimits:
        return FAMILIES[self.family]


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicRoute:
    """A route, ready for use. `transport` says in whose dialect, `upstream_model` what the model is called there."""

    id: int
    name: str
    transport: str
    upstream_model: str
    base_url: str
    credential_env: str
    sandbox: bool

    def api_key(self) -> str:
        """The credential, read from the environment at each call. Never log it."""
        return os.environ.get(self.credential_env, "") if self.credential_env else "sandbox"


def music_models() -> list[MusicModel]:
    """Every enabled music model that has a price and a family, in the order of `auto`, then of ids."""
    models = Model.objects.filter(enabled=True, capability=Capability.MUSIC).prefetch_related("prices", "routes")
    return [found for model in models if (found := _model(model)) is not None]


def routes_by_model(ids: Iterable[str]) -> defaultdict[str, list[MusicRoute]]:
    """The routes, by rank, that tasks of these models may take: also of a model that is switched off, as what was admitted runs to its
    end."""
    found: defaultdict[str, list[MusicRoute]] = defaultdict(list)
    for route in Route.objects.filter(model__in=list(ids), enabled=True).order_by("rank", "pk"):
        if (usable := usable_route(route)) is not None:
            found[route.model_id].append(usable)
    return found


def _model(model: Model) -> MusicModel | None:
    price = model.price_in_force()
    every = sorted(model.routes.all(), key=lambda route: (route.rank, route.pk))
    family = next((route.transport for route in every if route.transport in FAMILIES), None)
    if price is None or price.credits_per_task is None or family is None:
        return None
    return MusicModel(
        id=model.pk,
        display_name=model.display_name,
        family=family,
        auto_rank=model.auto_rank,
        price_version=price.version,
        credits_per_task=price.credits_per_task,
        routes=tuple(usable for route in every if route.enabled and (usable := usable_route(route)) is not None),
    )


def usable_route(route: Route) -> MusicRoute | None:
    """The route as it is used, whether it is enabled or not; None where its sandbox, its credential or its address is missing here."""
    base_url = address(
        transport=route.transport,
        sandbox=route.sandbox,
        base_url=route.base_url,
        base_url_env=route.base_url_env,
        credential_env=route.credential_env,
    )
    if route.transport not in FAMILIES or not base_url:
        return None
    return MusicRoute(
        id=route.pk,
        name=route.name,
        transport=route.transport,
        upstream_model=route.upstream_model,
        base_url=base_url,
        credential_env=route.credential_env,
        sandbox=route.sandbox,
    )
