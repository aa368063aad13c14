"""The periods of spend caps begin and end at midnight UTC, wherever the server lives: in SQL as in the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from tests.wallets.model import began
from wallets import periods

pytestmark = pytest.mark.django_db
WINDOWS = ("day", "week", "month", "total")
INSTANT = timedelta(microseconds=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def period(window: str, at: datetime) -> tuple[datetime, datetime | None]:
    """As seconds on the way, for Django reads times as those of its own zone."""
    began = periods.begin("%(window)s", at="%(at)s::timestamptz")
    end = periods.end("%(window)s", began=f"({began})")
    with connection.cursor() as cursor:
        cursor.execute(f"select extract(epoch from {began}), extract(epoch from {end})", {"window": window, "at": at})
        begins, ends = cursor.fetchone()
    return datetime.fromtimestamp(int(begins), UTC), ends and datetime.fromtimestamp(int(ends), UTC)


@pytest.mark.parametrize(
    ("window", "at", "begins", "ends"),
    [
        ("day", "2026-03-29 01:30", "2026-03-29", "2026-03-30"),
        ("day", "2024-02-28 23:59:59.999999", "2024-02-28", "2024-02-29"),
        ("month", "2024-02-29 12:00", "2024-02-01", "2024-03-01"),
        ("month", "2026-01-31 23:59:59.999999", "2026-01-01", "2026-02-01"),
        ("month", "2026-12-31 12:00", "2026-12-01", "2027-01-01"),
        ("week", "2027-01-01 00:00", "2026-12-28", "2027-01-04"),  # week 53 of 2026
        ("week", "2024-12-30 00:00", "2024-12-30", "2025-01-06"),  # week 1 of 2025
        ("week", "2026-01-04 23:59:59.999999", "2025-12-29", "2026-01-05"),
        ("total", "2026-01-04", "1970-01-01", None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
def test_a_period(window, at, begins, ends, zone):
    with connection.cursor() as cursor:
        cursor.execute("select set_config('timezone', %s, true)", [zone])
    assert period(window, moment(at)) == (moment(begins), moment(ends) if ends else None)


@pytest.mark.parametrize("window", WINDOWS)
def test_every_moment_is_in_one_period_and_the_next_begins_where_it_ends(window):
    for days in range(0, 1500, 13):
        at = moment("2023-12-30 17:00") + timedelta(days=days)
        begins, ends = period(window, at)
        assert begins == began(window, at) <= at
        if ends is not None:
            assert at < ends
            assert period(window, ends)[0] == ends == period(window, ends - INSTANT)[1]
