"""System checks of the catalog: what would sell nothing, or sell the wrong thing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections

from catalog import price_map, tokens
from catalog.models import Route


@register(Tags.files)
def litellm_files_are_there(**kwargs: Any) -> list[CheckMessage]:
    """catalog.E002: prices and the vocabulary come from LiteLLM's package."""
    missing = [str(file) for file in (price_map.file(), tokens.vocabulary_file()) if file is None or not file.is_file()]
    if missing:
        hint = "Install the pinned litellm of requirements.txt."
        return [Error("LiteLLM's price map or its vocabulary is not on the disk.", hint=hint, id="catalog.E002")]
    return []


@register(Tags.database)
def routes_can_be_used(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """catalog.E001: an enabled sandbox route without a sandbox. catalog.W001: a route whose credential is missing.

    Neither is ever used by a call; silence would only hide why.
    """
    found: list[CheckMessage] = []
    for alias in databases or ():
        if "catalog_route" not in connections[alias].introspection.table_names():
            continue
        try:
            routes = list(Route.objects.using(alias).filter(enabled=True, model__enabled=True).select_related("model"))
        except DatabaseError:  # a schema on its way
            continue
        found += [message for route in routes if (message := _complaint(route)) is not None]
    return found


def _complaint(route: Route) -> CheckMessage | None:
    if route.sandbox and not settings.SANDBOX:
        hint = "`manage.py seed` switches it off; SANDBOX=1 makes this a sandbox."
        return Error(f"The sandbox route of {route.model_id} is enabled, but the sandbox is off.", hint=hint, id="catalog.E001")
    if route.credential_env and not os.environ.get(route.credential_env):
        hint = f"Set {route.credential_env}, or switch the route off."
        return Warning(f"{route} is enabled without its credential, so no call goes there.", hint=hint, id="catalog.W001")
    return None
