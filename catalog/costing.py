"""Where a route's price list comes from: LiteLLM's entry, read anew, or the staff's override; proven before it counts."""

from __future__ import annotations

from catalog import cost, price_map
from catalog.cost import Method
from catalog.models import Route
from catalog.price_list import PriceEntryError, with_provider


def bring_up_to_date(route: Route, *, reread: bool = False, method: Method | None = None) -> bool:
    """Fill in the cost fields of `route` from what it now names, and say whether its price list changed. Saves nothing.

    LiteLLM's entry is read when the key is new, or if `reread`: an upgrade of LiteLLM alone moves no price. A changed
    list gets the next version, and its method by comparison with LiteLLM (whose import takes 3 s, once in a process)
    unless `method` gives it. Raises PriceEntryError for a list that can't be sold from.
    """
    before = Route.objects.filter(pk=route.pk).first() if route.pk else None
    if reread or before is None or before.cost_key != route.cost_key or not route.cost_entry:
        route.cost_entry = _litellm_entry(route.cost_key) if route.cost_key else {}
    entry = with_provider(route.effective_cost_entry, route.litellm_model)
    if before is not None and before.cost_method and entry == with_provider(before.effective_cost_entry, before.litellm_model):
        return False
    route.cost_method = method or cost.method_of(entry)
    route.cost_version = (before.cost_version if before else 0) + 1
    route.cost_source = f"{price_map.source()} {route.cost_key}" if route.cost_override is None else "override"
    return True


def _litellm_entry(key: str) -> dict[str, object]:
    entry = price_map.entry(key)
    if entry is None:
        raise PriceEntryError([f"{price_map.source()} has no price under {key!r}"])
    return entry
