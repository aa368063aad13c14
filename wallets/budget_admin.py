"""Spend caps for staff: whose they are and what counts against them. They are their owners' to set."""

from django.contrib import admin
from django.db.models import Q
from unfold.decorators import display

from wallets.books_admin import BooksAdmin
from wallets.models import BudgetKey, Cap


@admin.register(Cap)
class CapAdmin(BooksAdmin):
    list_display = ["window", "wallet", "key_ids", "limit_credits", "spent", "held", "period"]
    fields = ["wallet", "key_ids", "window", "limit_credits", "spent", "held", "period", "created_at"]
    readonly_fields = ["key_ids"]
    list_select_related = ["wallet__account__user"]
    ordering = ["-id"]
    search_fields = ["budget_id"]  # how it is searched: get_search_results
    search_help_text = "The id of an API key, or an account's email address"

    def found_by(self, term: str) -> Q:
        budgets = BudgetKey.objects.filter(key_id=int(term)) if term.isdecimal() and len(term) < 19 else BudgetKey.objects.none()
        return Q(budget_id__in=list(budgets.values_list("budget_id", flat=True)))

    @display(description="keys")
    def key_ids(self, cap: Cap) -> str:
        """The key that it was set for, and those that replaced it."""
        return ", ".join(map(str, BudgetKey.objects.filter(budget_id=cap.budget_id).order_by("key_id").values_list("key_id", flat=True)))
