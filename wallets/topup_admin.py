"""Top-ups, disputes and the webhooks of payment providers for staff: looked at, never edited."""

from django.contrib import admin
from django.db.models import Q
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from accounts.look_only_admin import BoundedList, LookOnly
from wallets.books_admin import BooksAdmin
from wallets.models import Dispute, TopUp, WebhookEvent


class DisputeInline(LookOnly, TabularInline):
    model = Dispute
    fields = ["dispute_id", "status", "amount_usd", "credits", "opened_at", "closed_at"]
    readonly_fields = fields
    extra = 0


class WebhookInline(LookOnly, TabularInline):
    model = WebhookEvent
    fields = ["event_id", "type", "verdict", "reason", "deliveries", "received_at"]
    readonly_fields = fields
    extra = 0
    ordering = ["id"]


@admin.register(TopUp)
class TopUpAdmin(BooksAdmin):
    list_display = ["id", "created_at", "account_of", "status", "amount_usd", "credits", "refunded_usd", "disputed_credits", "provider"]
    list_display_links = ["id"]
    list_filter = ["status", "provider", "kind"]
    list_select_related = ["wallet__account__user"]
    # The page to pay at is the customer's alone
    exclude = ["checkout_url", "submission"]
    inlines = [DisputeInline, WebhookInline]
    ordering = ["-id"]  # ids sort by the time they were made
    search_fields = ["id"]  # how it is searched: get_search_results
    search_help_text = "A top-up's id or its beginning, the provider's id of a checkout or a payment, or an account's email address"

    def found_by(self, term):
        return Q(id__startswith=term) | Q(session_id=term) | Q(payment_id=term)

    @display(description="account")
    def account_of(self, top_up):
        return top_up.wallet.account


@admin.register(WebhookEvent)
class WebhookEventAdmin(LookOnly, BoundedList, ModelAdmin):
    actions = None
    list_display = ["event_id", "received_at", "provider", "type", "verdict", "reason", "top_up_id", "deliveries"]
    list_display_links = ["event_id"]
    list_filter = ["verdict", "provider"]
    ordering = ["-id"]
    search_fields = ["event_id"]  # how it is searched: get_search_results
    search_help_text = "A provider's event id, or a top-up's id"

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        return (queryset.filter(Q(event_id=term) | Q(top_up=term)) if term else queryset), False
