"""Spend caps for staff: whose they are and what counts against them. They are their owners' to set."""

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.decorators import display

from keys.models import ApiKey
from wallets.books_admin import BooksAdmin
from wallets.models import BudgetKey, Cap, CapWindow


@admin.register(Cap)
class CapAdmin(BooksAdmin):
    list_display = ["window", "wallet", "newest_key", "limit_credits", "spent", "held", "period_began"]
    list_display_links = ["window"]
    fields = ["wallet", "keys", "window", "limit_credits", "spent", "held", "period_began", "created_at"]
    readonly_fields = ["keys", "period_began"]
    list_select_related = ["wallet__account__user"]
    ordering = ["-id"]
    search_fields = ["budget_id"]  # how it is searched: get_search_results
    search_help_text = "The id of an API key, or an account's email address"

    def found_by(self, term: str) -> Q:
        budgets = BudgetKey.objects.filter(key_id=int(term)) if term.isdecimal() and len(term) < 19 else BudgetKey.objects.none()
        return Q(budget_id__in=list(budgets.values_list("budget_id", flat=True)))

    @display(description="key")
    def newest_key(self, cap: Cap) -> str:
        """The one that replaced all others."""
        return _links(_keys(cap)[:1])

    @display(description="keys")
    def keys(self, cap: Cap) -> str:
        """The key that it was set for, and those that replaced it; the newest first."""
        return _links(_keys(cap))

    @display(description="period began")
    def period_began(self, cap: Cap) -> str:
        return "in total" if cap.window == CapWindow.TOTAL else f"{cap.period:%Y-%m-%d}"


def _keys(cap: Cap) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(pk__in=BudgetKey.objects.filter(budget_id=cap.budget_id).values("key_id")).order_by("-pk")


def _links(keys: QuerySet[ApiKey]) -> str:
    named = ((reverse("admin:keys_apikey_change", args=[key.pk]), key) for key in keys)
    return format_html_join("", '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a><br>', named)
