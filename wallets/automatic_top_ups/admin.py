"""Automatic top-ups for staff: looked at, and switched off with a reason."""

from django.contrib import admin
from django.db.models import Q
from django.http import Http404
from unfold.decorators import action, display

from accounts.reason_page import ask_why
from wallets.automatic_top_ups import terms
from wallets.books_admin import BooksAdmin
from wallets.models import AutoTopUp


@admin.register(AutoTopUp)
class AutoTopUpAdmin(BooksAdmin):
    actions_detail = ["switch_off"]
    list_display = ["wallet", "is_on", "off_reason", "threshold_credits", "amount_usd", "monthly_ceiling_usd", "card", "failures"]
    list_filter = ["is_on", "off_reason", "provider"]
    list_select_related = ["wallet__account__user"]
    # The page where a card is entered is the customer's alone
    exclude = ["setup_url", "setup_id"]
    ordering = ["-id"]
    search_fields = ["customer_id"]  # how it is searched: get_search_results
    search_help_text = "An account's email address, or the provider's id of a customer or a card"

    def found_by(self, term):
        return Q(customer_id=term) | Q(payment_method_id=term)

    @display(description="card")
    def card(self, auto):
        return auto.card or "none"

    def has_switch_off_permission(self, request, object_id=None):
        if not request.user.has_perm("wallets.change_autotopup"):
            return False
        return object_id is not None and self._found(request, object_id).is_on

    def _found(self, request, object_id):
        """The row of an address, which may end in anything."""
        if (auto := self.get_object(request, object_id)) is None:
            raise Http404
        return auto

    @action(description="Switch off", url_path="off", permissions=["switch_off"])
    def switch_off(self, request, object_id):
        auto = self._found(request, object_id)
        return ask_why(
            request,
            self,
            auto,
            lambda reason: terms.switch_off(auto.wallet, reason=AutoTopUp.OffReason.STAFF, actor=request.user, note=reason),
            verb="Switch off",
            then="The card is charged no more until its customer turns it on again. A payment that is under way is not called back.",
            done=f"The {auto} is off.",
        )
