"""Top-ups, disputes and the webhooks of payment providers for staff: looked at, never edited, but marked as dealt with."""

from django.contrib import admin, messages
from django.db.models import Q
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from accounts.look_only_admin import BoundedList, LookOnly
from wallets import problems
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


class DealtWith(ModelAdmin):
    """For a ModelAdmin whose rows stand on the front page until staff say that they have dealt with them."""

    def has_deal_with_permission(self, request):
        return request.user.has_perm(f"wallets.change_{self.opts.model_name}")

    def dealt_with(self, rows, *, actor):
        """Mark them so, and say how many were not yet."""
        raise NotImplementedError

    @action(description="I have dealt with it", permissions=["deal_with"])
    def deal_with(self, request, queryset):
        count = self.dealt_with(queryset, actor=request.user)
        messages.success(request, f"Dealt with: {count}.")


@admin.register(TopUp)
class TopUpAdmin(DealtWith, BooksAdmin):
    actions = ["deal_with"]
    list_display = [
        "id",
        "created_at",
        "account_of",
        "status",
        "amount_usd",
        "credits",
        "refunded_usd",
        "disputed_credits",
        "provider",
        "problem",
    ]
    list_display_links = ["id"]
    list_filter = ["status", "provider", "kind", ("problem", admin.EmptyFieldListFilter)]
    list_select_related = ["wallet__account__user"]
    # The page to pay at is the customer's alone
    exclude = ["checkout_url", "submission"]
    inlines = [DisputeInline, WebhookInline]
    ordering = ["-id"]  # ids sort by the time they were made
    search_fields = ["id"]  # how it is searched: get_search_results
    search_help_text = "A top-up's id or its beginning, the provider's id of a checkout or a payment, or an account's email address"

    def found_by(self, term):
        return Q(id__startswith=term) | Q(session_id=term) | Q(payment_id=term)

    def dealt_with(self, rows, *, actor):
        return problems.deal_with(rows, actor=actor)

    @display(description="account")
    def account_of(self, top_up):
        return top_up.wallet.account


@admin.register(WebhookEvent)
class WebhookEventAdmin(LookOnly, BoundedList, DealtWith):
    actions = ["deal_with"]
    list_display = ["event_id", "received_at", "provider", "type", "verdict", "reason", "seen_at", "top_up_id", "deliveries"]
    list_display_links = ["event_id"]
    list_filter = ["verdict", "provider", ("seen_at", admin.EmptyFieldListFilter)]
    ordering = ["-id"]
    search_fields = ["event_id"]  # how it is searched: get_search_results
    search_help_text = "A provider's event id, or a top-up's id"

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        return (queryset.filter(Q(event_id=term) | Q(top_up=term)) if term else queryset), False

    def dealt_with(self, rows, *, actor):
        return problems.deal_with_events(rows, actor=actor)
