"""What the tests of this folder counted, as one table at the end of the run."""

from __future__ import annotations

from collections import Counter

from tests.faults.load import Load
from wallets.models import UsageRecord

COLUMNS = ("rounds", "kills", "calls", "answered", "charged", "replays", "retries", "lost", "audits", "seconds")
TALLY: dict[str, Counter[str]] = {}


def count(name: str, **figures: int) -> None:
    """Add `figures` to the row `name`; their names are of COLUMNS."""
    TALLY.setdefault(name, Counter()).update(figures)


def count_load(name: str, load: Load) -> None:
    """Add what came of a load, after it was judged."""
    records = UsageRecord.objects.filter(wallet__account__in=[owner.account for owner in load.owners])
    count(
        name,
        calls=len(load.calls),
        answered=len(load.answered),
        charged=records.filter(status="charged").count(),
        replays=sum(call.replayed for call in load.calls),
        retries=sum(call.tries - 1 for call in load.calls),
        lost=records.filter(clause="lost").count(),
        audits=1,
    )


def table() -> list[str]:
    """The rows in Markdown, the sum last."""
    rows = {**TALLY, "all": sum(TALLY.values(), Counter())}
    head = ["| what died | " + " | ".join(COLUMNS) + " |", "|---" + "|---:" * len(COLUMNS) + "|"]
    return head + [f"| {name} | " + " | ".join(str(figures[column]) for column in COLUMNS) + " |" for name, figures in rows.items()]
