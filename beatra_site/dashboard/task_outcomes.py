"""What became of a task and its price, in plain words: one text for each way it can end."""

from __future__ import annotations

from beatra_site.dashboard.clause import Clause
from wallets.models import UsageClause, UsageRecord

_REFUNDED = "Its price was given back in full."

BY_OUTCOME: dict[str, Clause] = {
    "": Clause(
        "Task running", "The task has not ended yet.", "Its price was charged when it was created; unless it succeeds, it is given back."
    ),
    "succeeded": Clause("Task succeeded", "The task was done.", "Its price was charged when it was created.", "good"),
    "failed": Clause("Task failed", "The provider failed, took too long or gave nothing that can be used.", _REFUNDED, "bad"),
    "canceled": Clause("Task canceled", "You canceled the task.", _REFUNDED, "warn"),
}
"""By the outcome of a task's record."""

BY_STAFF = Clause("Task canceled", "We canceled the task.", _REFUNDED, "warn")
"""Of one that staff canceled; a list of many, which shows no more than the label, does not ask by whom."""

# Codes by which it is the request that can't be served
REFUSALS = ("invalid_request", "safety_rejected", "payload_too_large", "unsupported_media_type")
REFUSED = Clause(
    "Task refused",
    "This request can't be served. Sent again as it is, it would be refused again: the request has to change.",
    _REFUNDED,
    "warn",
)
NOT_SENT = Clause("Task failed", "The task ended before a provider was asked.", _REFUNDED, "bad")


def outcome_of(record: UsageRecord) -> Clause:
    """How a task ended, or that it runs; of one that failed also why."""
    if record.outcome == "failed":
        if record.error_code in REFUSALS:
            return REFUSED
        if record.clause == UsageClause.NOT_SENT:
            return NOT_SENT
    return BY_OUTCOME[record.outcome]
