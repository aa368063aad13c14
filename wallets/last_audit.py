"""How the last audit of the books went, judged once for all who ask: `/readyz`, the admin's front page, the alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import connection

from wallets import pool

# Audits come once an hour (wallets/audit_runs.py); a day without one is too long
GOOD_SECONDS = 86_400
State = Literal["ok", "differences", "overdue", "never"]

_LAST = """
select ended_at, wallets, entries, usage_records, differences, extract(epoch from clock_timestamp() - ended_at)
  from wallets_auditrun order by id desc limit 1
"""


@dataclass(frozen=True, slots=True)
class LastAudit:
    """The last audit: `ok`; `differences` in the books; `overdue` after GOOD_SECONDS without another; `never`: there was none.

    `ended_at` and the counts (rows looked at, differences found) are None and 0 where there was none.
    """

    state: State
    ended_at: datetime | None = None
    wallets: int = 0
    entries: int = 0
    usage_records: int = 0
    differences: int = 0

    @property
    def is_ok(self) -> bool:
        return self.state == "ok"


def read() -> LastAudit:
    """The last audit, for sync callers."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST)
        return _judged(cursor.fetchone())


async def read_async(*, wait_seconds: float = pool.WAIT_SECONDS) -> LastAudit:
    """The last audit, on the event loop. Raises psycopg.OperationalError when the database is away."""
    async with pool.connection(wait_seconds=wait_seconds) as one:
        return _judged(await (await one.execute(_LAST)).fetchone())


def _judged(row: Any) -> LastAudit:
    if row is None:
        return LastAudit("never")
    ended_at, wallets, entries, usage_records, differences, age_seconds = row
    state: State = "differences" if differences else "overdue" if age_seconds > GOOD_SECONDS else "ok"
    return LastAudit(state, ended_at, wallets, entries, usage_records, differences)
