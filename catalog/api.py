"""GET /v1/models, the chat models a key may call now in OpenAI's shape, and GET /v1/catalog, all there is to know about every model.

Answered on the event loop from the process's copy of the catalog. A key's model list and scopes count everywhere.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from catalog import document, listing, routing, snapshot
from catalog.capabilities import CAPABILITIES
from catalog.snapshot import Catalog
from contract.async_view import AsyncAPIView
from contract.errors import ApiError
from contract.json_answer import JsonAnswer
from contract.operation import documented
from wallets import standing


class Models(AsyncAPIView):
    @documented(document.LIST_MODELS)
    async def get(self, request: HttpRequest) -> JsonAnswer:
        """List the chat models.

        Those that this key may use now, in OpenAI's shape, `auto` first.
        """
        catalog = await snapshot.current()
        return JsonAnswer({"object": "list", "data": list(_models(catalog, request).values())})


class OneModel(AsyncAPIView):
    @documented(document.GET_MODEL)
    async def get(self, request: HttpRequest, id: str) -> JsonAnswer:
        """Look up a chat model."""
        if (model := _models(await snapshot.current(), request).get(id)) is None:
            raise ApiError("not_found", "There is no such model for this key.")
        return JsonAnswer(model)


class CatalogModels(AsyncAPIView):
    @documented(document.LIST_CATALOG_MODELS)
    async def get(self, request: HttpRequest) -> JsonAnswer:
        """List all models with their prices.

        Every model of this key, of every capability: what it takes, its limits, and its price. In the order of `auto`, which is no model
        of its own and so not among them, and then of ids.
        """
        caller = request.auth  # type: ignore[attr-defined]  # set by the view
        models = routing.usable_models(await snapshot.current(), allowed=caller.models, scopes=caller.scopes)
        # Asked for only where a price shows it: a catalog of chat models costs no I/O
        rate = (await standing.of(caller.wallet_id)).credits_per_usd if any(listing.is_flat(model) for model in models) else None
        return JsonAnswer({"object": "list", "data": [listing.entry(model, credits_per_usd=rate) for model in models]})


class Capabilities(AsyncAPIView):
    @documented(document.LIST_CAPABILITIES)
    async def get(self, request: HttpRequest) -> JsonAnswer:
        """List what can be done.

        Where it is done, and with which of this key's models.
        """
        catalog = await snapshot.current()
        offered = {model.capability for model in catalog.models.values()}
        caller = request.auth  # type: ignore[attr-defined]  # set by the view
        models = routing.usable_models(catalog, allowed=caller.models, scopes=caller.scopes)
        data = [
            {
                "id": capability.id,
                "object": "capability",
                "display_name": capability.display_name,
                "label": capability.label,
                "endpoint": capability.endpoint,
                "models": [model.id for model in models if model.capability == capability.of],
            }
            for capability in CAPABILITIES
            if capability.of in offered
        ]
        return JsonAnswer({"object": "list", "data": data})


def _models(catalog: Catalog, request: HttpRequest) -> dict[str, dict[str, Any]]:
    """By id. `auto` is as old as the oldest model it may choose."""
    caller = request.auth  # type: ignore[attr-defined]  # set by the view
    models = routing.callable_models(catalog, allowed=caller.models, scopes=caller.scopes)
    auto = [model.created for model in models if model.auto_rank is not None]
    created = ({routing.AUTO: min(auto)} if auto else {}) | {model.id: model.created for model in models}
    return {id: listing.summary(id, created=moment) for id, moment in created.items()}
