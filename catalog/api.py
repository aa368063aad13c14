"""GET /v1/models: the chat models a key may call now, in OpenAI's shape."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from catalog import document, routing, snapshot
from catalog.snapshot import Catalog
from contract.async_view import AsyncAPIView
from contract.errors import ApiError
from contract.json_answer import JsonAnswer
from contract.operation import documented


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


def _models(catalog: Catalog, request: HttpRequest) -> dict[str, dict[str, Any]]:
    """By id. `auto` is as old as the oldest model it may choose."""
    models = routing.callable_models(catalog, allowed=request.auth.models)  # type: ignore[attr-defined]  # set by the view
    auto = [model.created for model in models if model.auto_rank is not None]
    created = ({routing.AUTO: min(auto)} if auto else {}) | {model.id: model.created for model in models}
    return {id: {"id": id, "object": "model", "created": moment, "owned_by": "beatra"} for id, moment in created.items()}
