"""When the periods of spend caps begin and end: by the database's clock, at midnight UTC, weeks on Monday as ISO 8601 has them.

SQL only, so that there is one arithmetic. A total's one period began before everything and does not end.
"""

from __future__ import annotations


def begin(window: str, *, at: str = "statement_timestamp()") -> str:
    """When the period of `window` around `at` began. Both are SQL: `window` a text, `at` a time with its zone."""
    return f"case when {window} = 'total' then timestamptz '1970-01-01 00:00:00Z' else date_trunc({window}, {at}, 'UTC') end"


def end(window: str, *, began: str) -> str:
    """When the period of `window` that `began` then ends; null for a total's."""
    following = f"({began} at time zone 'UTC' + ('1 ' || {window})::interval) at time zone 'UTC'"
    return f"case when {window} <> 'total' then {following} end"
