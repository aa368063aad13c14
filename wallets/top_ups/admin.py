"""Top-ups, disputes and the webhooks of payment providers for staff: looked at, never edited, but marked as dealt with."""

from django.contrib import admin, messages
from django.db.models import Q
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from accounts.look_only_admin import BoundedList, LookOnly
from wallets.books_admin import BooksAdmin
from wallets.models import Dispute, TopUp, Wallet, WebhookEvent
from wallets.top_ups import problems
from wallets.top_ups.standing import TopUpStanding, with_standing

# Of those whose address begins as it is searched for
_MOST_WALLETS = 500

_LABELS = {
    TopUpStanding.PENDING.label: "warning",
    TopUpStanding.SUBMITTED.label: "warning",
    TopUpStanding.PAID.label: "success",
    TopUpStanding.DISPUTED.label: "danger",
    TopUpStanding.DISPUTE_LOST.label: "danger",
    TopUpStanding.FAILED.label: "danger",
}


class DisputeInline(LookOnly, TabularInline):
    model = Dispute
    fields = ["dispute_id", "status", "amount_usd", "credits", "opened_at", "closed_at"]
    readonly_fields = fields
    extra = 0
    hide_title = True  # would be the dispute's id once more


class WebhookInline(LookOnly, TabularInline):
    model = WebhookEvent
    fields = ["event_id", "type", "verdict", "reason", "deliveries", "received_at"]
    readonly_fields = fields
    extra = 0
    ordering = ["id"]
    hide_title = True  # would be the event's id once more


class StandingFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "standing"

    def lookups(self, request, model_admin):
        return TopUpStanding.choices

    def queryset(self, request, queryset):
        return queryset.filter(standing=self.value()) if self.value() else queryset


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
        "state",
        "kind",
        "amount_usd",
        "credits",
        "refunded_usd",
        "disputed_credits",
        "provider",
        "problem",
    ]
    list_display_links = ["id"]
    list_filter = [StandingFilter, "kind", "provider", ("problem", admin.EmptyFieldListFilter)]
    list_select_related = ["wallet__account__user"]
    inlines = [DisputeInline, WebhookInline]
    ordering = ["-id"]  # ids sort by the time they were made
    search_fields = ["id"]  # how it is searched: get_search_results
    search_help_text = "A top-up's id, an account's email address, or how one begins; or the provider's id of a checkout or a payment"

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term:
            return queryset, False
        wallets = Wallet.objects.filter(account__user__email__startswith=term.lower())[:_MOST_WALLETS]
        found = Q(id__startswith=term) | Q(session_id=term) | Q(payment_id=term) | Q(wallet__in=list(wallets))
        return queryset.filter(found), False

    def dealt_with(self, rows, *, actor):
        return problems.deal_with(rows, actor=actor)

    def get_queryset(self, request):
        return with_standing(super().get_queryset(request))

    def get_exclude(self, request, obj=None):
        """The page to pay at is the customer's alone; an automatic one has none that could end."""
        return ["checkout_url", "submission", *(["expires_at"] if obj and obj.kind == TopUp.Kind.AUTO else [])]

    @display(description="state", label=_LABELS)
    def state(self, top_up):
        return TopUpStanding(top_up.standing).label

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
