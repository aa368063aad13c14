"""What the shapes of answers have in common: amounts, rates and times as the API writes them, and its labels.

The shapes themselves are pydantic models in the `answers.py` of each app. Views build plain dicts; the OpenAPI document and the tests
are made from the models. They name every field that is sent, and allow others, so that a caller's code survives a new one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

Credits = Annotated[str, Field(pattern=r"^-?\d+\.\d{4}$", examples=["3.0000"])]
"""An amount of credits, four places."""

UsdReference = Annotated[str, Field(pattern=r"^-?\d+\.\d{4}$", examples=["0.0030"])]
"""What credits are in USD at the wallet's rate, four places. For display only."""

CreditsPerUsd = Annotated[str, Field(pattern=r"^\d+\.\d{4}$", examples=["1000.0000"])]
"""Credits for one USD, four places."""

Usd = Annotated[str, Field(pattern=r"^\d+\.\d{12}$", examples=["0.002000000000"])]
"""A cost in USD, twelve places."""

Time = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        examples=["2026-01-31T12:00:00.000000Z"],
        json_schema_extra={"format": "date-time"},
    ),
]
"""A moment, RFC 3339 in UTC."""

Count = Annotated[int, Field(ge=0)]

Label = Annotated[
    Literal["Available", "Preview"], Field(description="`Available`: a public contract. `Preview`: callable, but it may still change.")
]


def time_text(moment: datetime) -> str:
    """A moment as the API writes it: "2026-01-31T12:00:00.000000Z". Microseconds always, so that texts sort as times do."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
