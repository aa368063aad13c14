"""Admin pages to look at: rows nobody edits or deletes, and lists that never count a big table."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ShowFacets
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

COUNTED = 5000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # has no parameters when it runs
    """Pages of the newest COUNTED rows: no list counts a table of millions. What is further back is found by searching."""

    @cached_property
    def count(self) -> int:
        assert isinstance(self.object_list, QuerySet)
        return self.object_list.order_by().values("pk")[:COUNTED].count()


class BoundedList:
    """For a ModelAdmin of a table that may be big."""

    paginator: type[Any] = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER


class LookOnly:
    """For a ModelAdmin or an inline whose rows are looked at: never edited or deleted, nor added but where `addable` says so."""

    addable = False

    def has_add_permission(self, request: HttpRequest, *of_an_inline: Any) -> bool:
        allowed: bool = self.addable and super().has_add_permission(request, *of_an_inline)  # type: ignore[misc]  # the ModelAdmin's
        return allowed

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
