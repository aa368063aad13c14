"""Keyset paging for every list, page or API: the next page starts after the last row's own values, however long the list is.

A cursor is opaque and signed, so only what we gave out comes back; it holds for one ordering.
"""

import datetime
import decimal
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from contract import limits
from contract.errors import ApiError

Row = TypeVar("Row", bound=Model)

_READERS: dict[str, Callable[[Any], Any]] = {
    "datetime": datetime.datetime.fromisoformat,
    "Decimal": decimal.Decimal,
    "UUID": uuid.UUID,
}


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list. `next_cursor` is None on the last page."""

    items: list[Row]
    next_cursor: str | None
    has_more: bool


def page(
    queryset: QuerySet[Row], *, cursor: str | None = None, limit: int = limits.PAGE, ordering: Sequence[str] = ("-created_at", "-id")
) -> Page[Row]:
    """The `limit` rows after `cursor` (from the start without one), in one query.

    `ordering` names columns that are never null and together unique, all ascending or all descending, and indexed in that
    order. Raises ApiError invalid_request, param `cursor`, for a cursor that is not ours or of another ordering.
    """
    fields = [name.removeprefix("-") for name in ordering]
    is_descending = ordering[0].startswith("-")
    if any(name.startswith("-") != is_descending for name in ordering):
        raise ValueError(f"{ordering} mixes directions")
    if cursor:
        queryset = queryset.filter(_beyond(fields, _read(cursor, ordering), "lt" if is_descending else "gt"))
    rows = list(queryset.order_by(*ordering)[: limit + 1])
    items, has_more = rows[:limit], len(rows) > limit
    return Page(items, _write([getattr(items[-1], field) for field in fields], ordering) if has_more else None, has_more)


def limit_given(value: str | None) -> int:
    """The `limit` query parameter: 1 to 100, 20 where none is given. Raises ApiError invalid_request, param `limit`."""
    if not value:
        return limits.PAGE
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= limits.LONGEST_PAGE):
        raise ApiError("invalid_request", f"The limit must be a whole number from 1 to {limits.LONGEST_PAGE}.", param="limit")
    return int(value)


def _beyond(fields: Sequence[str], values: Sequence[Any], operator: str) -> Q:
    """Rows whose tuple of `fields` comes after `values`. The first condition alone lets the index find the place."""
    after = Q()
    equal: dict[str, Any] = {}
    for field, value in zip(fields, values, strict=True):
        after |= Q(**equal, **{f"{field}__{operator}": value})
        equal[field] = value
    return Q(**{f"{fields[0]}__{operator}e": values[0]}) & after


def _write(values: Sequence[Any], ordering: Sequence[str]) -> str:
    plain = [[type(value).__name__, str(value)] if type(value).__name__ in _READERS else value for value in values]
    return _signer(ordering).sign(urlsafe_base64_encode(orjson.dumps(plain)))


def _read(cursor: str, ordering: Sequence[str]) -> list[Any]:
    try:
        plain = orjson.loads(urlsafe_base64_decode(_signer(ordering).unsign(cursor)))
    except (signing.BadSignature, ValueError):
        raise ApiError("invalid_request", "The cursor is not one of this list.", param="cursor") from None
    return [_READERS[value[0]](value[1]) if isinstance(value, list) else value for value in plain]


def _signer(ordering: Sequence[str]) -> signing.Signer:
    return signing.Signer(salt=f"contract.pagination:{','.join(ordering)}", sep=".")
