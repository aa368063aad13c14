"""Which tasks a list shows: the parameters of the query, read strictly, and the page they ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from contract import pagination
from contract.errors import ApiError
from contract.pagination import Page
from tasks_app.envelope import EXPANDABLE
from tasks_app.models import Capability, Task, TaskStatus

ORDERS: Final[Mapping[str, tuple[str, str]]] = {"desc": ("-created_at", "-id"), "asc": ("created_at", "id")}
PARAMETERS: Final = ("status", "capability", "created_after", "created_before", "limit", "cursor", "order", "expand")

# What Python's own reader takes besides is no RFC 3339
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Query(Protocol):
    """What is read of Django's QueryDict."""

    def getlist(self, name: str, /) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """The list that was asked for. A field that is None leaves nothing out; the moments themselves are left out."""

    status: str | None
    capability: str | None
    created_after: datetime | None
    created_before: datetime | None
    limit: int
    cursor: str | None
    order: str
    expand: frozenset[str]

    @classmethod
    def read(cls, query: Query) -> Listing:
        """Raises ApiError invalid_request that names the parameter, also for one that is given twice.

        An empty value is as none. Parameters that there are not are ignored, as all over /v1.
        """
        given = {name: _once(query, name) for name in PARAMETERS}
        return cls(
            status=_one_of(TaskStatus.values, given, "status"),
            capability=_one_of(Capability.values, given, "capability"),
            created_after=_moment(given, "created_after"),
            created_before=_moment(given, "created_before"),
            limit=pagination.limit_given(given["limit"]),
            cursor=given["cursor"],
            order=_one_of(list(ORDERS), given, "order") or "desc",
            expand=_expand(given["expand"]),
        )

    def page(self, account_id: int) -> Page[Task]:
        """The page, in one query, and one more for the files of its clips where those are shown.

        A cursor holds for its order alone; under other filters it goes on from the same moment. Raises ApiError invalid_request for any
        other.
        """
        tasks = Task.objects.of_account(account_id).select_related("usage").defer("made", "attempts")
        if self.status is not None:
            tasks = tasks.filter(status=self.status)
        if self.capability is not None:
            tasks = tasks.filter(capability=self.capability)
        if self.created_after is not None:
            tasks = tasks.filter(created_at__gt=self.created_after)
        if self.created_before is not None:
            tasks = tasks.filter(created_at__lt=self.created_before)
        if not self.expand.isdisjoint(("output", "usage")):
            tasks = tasks.prefetch_related("artifacts")
        return pagination.page(tasks, cursor=self.cursor, limit=self.limit, ordering=ORDERS[self.order])


def _once(query: Query, name: str) -> str | None:
    values = query.getlist(name)
    if len(values) > 1:
        raise ApiError("invalid_request", f"{name} is given more than once.", param=name)
    return values[0] or None if values else None


def _one_of(known: Sequence[str], given: Mapping[str, str | None], name: str) -> str | None:
    value = given[name]
    if value is not None and value not in known:
        raise ApiError("invalid_request", f"{name} must be one of {', '.join(known)}.", param=name)
    return value


def _moment(given: Mapping[str, str | None], name: str) -> datetime | None:
    value = given[name]
    if value is None:
        return None
    try:
        if not _MOMENT.fullmatch(value):
            raise ValueError
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{name} must be a moment as in RFC 3339, such as 2026-01-31T12:00:00Z; the + of an offset is sent as %2B."
        raise ApiError("invalid_request", message, param=name) from None


def _expand(value: str | None) -> frozenset[str]:
    names = frozenset(name.strip() for name in value.split(",")) if value else frozenset()
    if not names <= {*EXPANDABLE, "all"}:
        raise ApiError("invalid_request", f"expand must be a comma list of {', '.join(EXPANDABLE)}, or all.", param="expand")
    return frozenset(EXPANDABLE) if "all" in names else names
