"""Automatic top-ups for staff: looked at, and switched off with a reason."""

from django import forms
from django.contrib import admin, messages
from django.db.models import Q
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.look_only_admin import BoundedList, LookOnly
from wallets import auto_top_ups
from wallets.models import AutoTopUp, Wallet


class OffForm(forms.Form):
    """Why staff switch it off. Kept with the event, for staff to read."""

    reason = forms.CharField(max_length=500, widget=UnfoldAdminTextareaWidget({"rows": 3}))


@admin.register(AutoTopUp)
class AutoTopUpAdmin(LookOnly, BoundedList, ModelAdmin):
    actions = None
    actions_detail = ["switch_off"]
    list_display = ["wallet", "is_on", "off_reason", "threshold_credits", "amount_usd", "monthly_ceiling_usd", "card", "failures"]
    list_filter = ["is_on", "off_reason", "provider"]
    list_select_related = ["wallet__account__user"]
    # The page where a card is entered is the customer's alone
    exclude = ["setup_url", "setup_id"]
    ordering = ["-id"]
    search_fields = ["customer_id"]  # how it is searched: get_search_results
    search_help_text = "An account's email address, or the provider's id of a customer or a card"

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term:
            return queryset, False
        if "@" in term:
            return queryset.filter(wallet__in=list(Wallet.objects.filter(account__user__email=term.lower()))), False
        return queryset.filter(Q(customer_id=term) | Q(payment_method_id=term)), False

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
        form = OffForm(request.POST or None)
        page = reverse("admin:wallets_autotopup_change", args=[auto.pk])
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"]
            if auto_top_ups.switch_off(auto.wallet, reason=AutoTopUp.OffReason.STAFF, actor=request.user, note=reason):
                messages.success(request, f"The {auto} is off.")
            return redirect(page)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Switch off: {auto}",
            "what": auto,
            "verb": "Switch off",
            "then": "The card is charged no more until its customer turns it on again. A payment that is under way is not called back.",
            "form": form,
            "page": page,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/reason.html", context)
