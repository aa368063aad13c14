"""What a task has cost us at its providers, as far as staff know it."""

from __future__ import annotations

from decimal import Decimal

from catalog.models import Price
from tasks_app.models import Task


def cost_usd(task: Task) -> Decimal:
    """In USD: the cost of one, of the price version that the task was charged by, for each try that may have been billed."""
    sent = sum(bool(attempt.get("sent")) for attempt in task.attempts)
    version = task.usage.price_version
    if not sent or version is None:
        return Decimal(0)
    of_one = Price.objects.filter(model=task.model, version=version).values_list("provider_cost_usd", flat=True).first()
    return (of_one or Decimal(0)) * sent
