"""What staff change in the catalog: one function per change, in one transaction with its event."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import models, transaction
from django.db.models.functions import Now

from accounts import events
from accounts.models import User
from catalog import costing
from catalog.models import Model, Price, Route


@transaction.atomic
def add_price(
    model: Model,
    *,
    author: User | None,
    reason: str,
    credits_per_litellm_usd: Decimal | None = None,
    credits_per_task: Decimal | None = None,
    provider_cost_usd: Decimal | None = None,
    effective_from: datetime | None = None,
) -> Price:
    """The model's next price version, in force from `effective_from` (now by the database's clock).

    Exactly one of the two amounts in credits, by the model's capability; what a task costs us only beside its price. Raises
    IntegrityError for anything else.
    """
    Model.objects.select_for_update().get(pk=model.pk)
    latest: int = model.prices.aggregate(latest=models.Max("version"))["latest"] or 0
    price = Price.objects.create(
        model=model,
        version=latest + 1,
        credits_per_litellm_usd=credits_per_litellm_usd,
        credits_per_task=credits_per_task,
        provider_cost_usd=provider_cost_usd,
        effective_from=effective_from or Now(),
        author=author,
        reason=reason,
    )
    price.refresh_from_db()
    events.record(
        "price.added",
        account=None,
        actor=author,
        model=model.pk,
        version=price.version,
        credits_per_litellm_usd=_readable(price.credits_per_litellm_usd),
        credits_per_task=_readable(price.credits_per_task),
        provider_cost_usd=_readable(price.provider_cost_usd),
        effective_from=price.effective_from.isoformat(),
        reason=reason,
    )
    return price


@transaction.atomic
def save_model(model: Model, *, actor: User | None) -> None:
    """Save `model`, which must have been validated (`full_clean`), and write down what changed."""
    before = Model.objects.select_for_update().filter(pk=model.pk).first()
    model.save()
    _record("model", before, model, actor=actor, model=model.pk)


@transaction.atomic
def save_route(route: Route, *, actor: User | None, disabled_reason: str = "") -> None:
    """Save `route`, which must have been validated (`full_clean`), and write down what changed, prices included.

    A route that is off keeps the reason it was switched off for.
    """
    before = Route.objects.select_for_update().filter(pk=route.pk).first() if route.pk else None
    if route.enabled:
        route.disabled_reason = ""
    elif disabled_reason or (before is not None and before.enabled):
        route.disabled_reason = disabled_reason or (f"switched off by {actor}" if actor else "switched off")
    route.save()
    _record("route", before, route, actor=actor, model=route.model_id, route=route.name)


@transaction.atomic
def reread_prices(route: Route, *, actor: User | None) -> bool:
    """Take over what LiteLLM's map now says for `route`. Whether anything changed. Raises PriceEntryError.

    An override goes on counting. May import litellm: 3 s, once in a process.
    """
    route = Route.objects.select_for_update().get(pk=route.pk)
    changed = costing.bring_up_to_date(route, reread=True)
    save_route(route, actor=actor)
    return changed


def _record(what: str, before: models.Model | None, after: models.Model, *, actor: User | None, **names: Any) -> None:
    """The event of a saved row: every field of a new one, the changed ones of an old one; none if nothing changed."""
    old = {} if before is None else _values(before)
    after.refresh_from_db()  # its values as the database keeps them: "2" is 2.00 there
    changes = {name: [old.get(name), value] for name, value in _values(after).items() if old.get(name) != value}
    if changes:
        events.record(f"{what}.{'changed' if old else 'added'}", account=None, actor=actor, **names, changes=changes)


def _values(row: models.Model) -> dict[str, Any]:
    return {field.attname: _readable(field.value_from_object(row)) for field in row._meta.concrete_fields if field.attname != "created_at"}


def _readable(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | str | list | dict) else str(value)
