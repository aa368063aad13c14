"""What the admin pages of rows that belong to a wallet have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.look_only_admin import BoundedList, LookOnly
from wallets.forms import WalletSelect
from wallets.models import Wallet


class BooksAdmin(LookOnly, BoundedList, ModelAdmin):
    """A table that is looked at and searched by exact values and beginnings: never edited or deleted."""

    actions: Sequence[str] | None = None

    def found_by(self, term: str) -> Q:
        """The rows that a search finds, where it is no email address."""
        raise NotImplementedError

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """An email address finds its wallet's rows, anything else what `found_by` says."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if "@" in term:
            wallets = Wallet.objects.filter(account__user__email=term.lower())
            return queryset.filter(wallet__in=list(wallets)), False
        return queryset.filter(self.found_by(term)), False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "wallet":
            kwargs["widget"] = WalletSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
