"""A batch of rows in a statement: how it travels, and what every statement over a batch begins with.

The rows go as one JSON text, an array of objects in order of arrival, which the `r` part reads and casts: one parameter, one prepared
plan, and a tenth of what psycopg's arrays cost the process. The planner takes it for a hundred rows; so records are found by their
primary key with `= any (array(...))`, for while it knows little of a table it would read all of it for a join.
"""

# ruff: noqa: S608  # no value is ever put into these texts: all travel as parameters

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter
from typing import Any, Generic, TypeVar

import orjson

R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Statement(Generic[R]):
    """SQL text over the columns (name: PostgreSQL type) of rows of dataclass R; answers come in the order of the rows.

    `text` has psycopg's %s for the rows, `raw` PostgreSQL's own $1 for cursors that leave a text as it is.
    """

    text: str
    columns: Mapping[str, str]
    raw: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "raw", self.text.replace("%s", "$1"))

    def parameters(self, rows: Sequence[R]) -> list[str]:
        """`rows` as the statement's one parameter. Raises TypeError for a value that JSON can't hold."""
        values = attrgetter(*self.columns)
        return [orjson.dumps([dict(zip(self.columns, values(row), strict=True)) for row in rows], default=_text).decode()]


def _text(value: Any) -> str:
    """What JSON has no type for: an amount, bytes."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"a {type(value).__name__} is no value of a statement")


def rows(columns: Mapping[str, str]) -> str:
    """The `r` part: the batch as rows with their order `ord`; `first` is false where a usage id comes again in it.

    A cast to varchar(n) cuts what is longer: a long label is never a reason to fail a charge.
    """
    read = ", ".join(f"{name} {'text' if 'char' in kind else kind}" for name, kind in columns.items())
    cast = ", ".join(f"{name}::{kind} as {name}" if "char" in kind else name for name, kind in columns.items())
    return f"""r as materialized (
    select {cast}, ord, row_number() over (partition by usage_id order by ord) = 1 as first
      from rows from (json_to_recordset(%s::json) as ({read})) with ordinality as t({", ".join(columns)}, ord)
)"""


def wallets(*, skip_locked: bool) -> str:
    """The `l` part: the batch's wallets as they are now, locked. NO KEY: rows that only refer to a wallet need not wait.

    One whose spend caps were made since the statement's snapshot is left out: they can't be seen. The next statement sees them.
    """
    return f"""locked as materialized (
    select id, balance, held, in_flight, max_in_flight, entries, caps_version from wallets_wallet
     where id = any (array(select wallet_id from r)) order by id for no key update{" skip locked" if skip_locked else ""}
),
l as materialized (
    select locked.* from locked
     where caps_version = 0 or caps_version = (select w.caps_version from wallets_wallet w where w.id = locked.id)
)"""


def caps(keys: str) -> str:
    """The `budget` and `cap` parts: the spend caps of `keys` as they are now, locked; `keys` is a query over `l`, and so comes after it."""
    return f"""budget as materialized (
    select key_id, budget_id from wallets_budgetkey where key_id = any (array({keys}))
),
cap as materialized (
    select id, budget_id, "window", limit_credits, period, spent, held from wallets_cap
     where budget_id = any (array(select budget_id from budget)) order by id for no key update
)"""


def count(calls: str, **sums: str) -> str:
    """The UPDATE that adds to the caps of `calls` (key_id, created_at of each): to each named counter the sum of an expression over them.

    A call of an earlier period than its cap's counts no more.
    """
    added = ", ".join(f"{counter} = c.{counter} + s.{counter}" for counter in sums)
    summed = ", ".join(f"sum({expression}) as {counter}" for counter, expression in sums.items())
    return f"""update wallets_cap c set {added}
      from (select cap.id, {summed}
              from cap join budget on budget.budget_id = cap.budget_id
              join {calls} as call on call.key_id = budget.key_id and call.created_at >= cap.period
             group by cap.id) s
     where c.id = any (array(select id from cap)) and c.id = s.id"""


# Of the records that a statement closes, those that a spend cap may count
CLOSED_KEYS = "select closed.key_id from closed join l on l.id = closed.wallet_id where l.caps_version > 0"

# Told from one that is locked by somebody else
IS_THERE = "exists (select from wallets_wallet w where w.id = r.wallet_id)"

# Whatever the planner believes of a table, it goes by the index of these
FOUND = "u.id = any (array(select usage_id from r))"


def records(*columns: str) -> str:
    """The `u` part: the batch's usage records as they were when the statement began."""
    return f"""u as materialized (
    select {", ".join(("id", "wallet_id", "status", *columns))} from wallets_usagerecord u where {FOUND}
)"""
