"""Spend caps for staff: whose they are and what counts against them. They are their owners' to set."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.look_only_admin import BoundedList, LookOnly
from keys.models import ApiKey
from wallets.models import BudgetKey, Cap, CapWindow, Wallet


@admin.register(Cap)
class CapAdmin(LookOnly, BoundedList, ModelAdmin):
    list_display = ["window", "wallet", "newest_key", "limit_credits", "spent", "held", "period_began"]
    list_display_links = ["window"]
    fields = ["wallet", "keys", "window", "limit_credits", "spent", "held", "period_began", "created_at"]
    readonly_fields = ["keys", "period_began"]
    list_select_related = ["wallet__account__user"]
    ordering = ["-id"]
    search_fields = ["budget_id"]  # how it is searched: get_search_results
    search_help_text = "The id of an API key, or an account's email address"
    actions = None

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Cap], search_term: str) -> tuple[QuerySet[Cap], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if "@" in term:
            return queryset.filter(wallet__in=list(Wallet.objects.filter(account__user__email=term.lower()))), False
        budgets = BudgetKey.objects.filter(key_id=int(term)) if term.isdecimal() and len(term) < 19 else BudgetKey.objects.none()
        return queryset.filter(budget_id__in=list(budgets.values_list("budget_id", flat=True))), False

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
