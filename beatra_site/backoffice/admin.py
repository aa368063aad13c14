"""The account in the admin: its actions reach into apps that accounts/ may not know."""

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts import suspension
from accounts.models import Account
from beatra_site.backoffice.forms import ReasonForm
from keys import cache as key_cache


@admin.register(Account)
class AccountAdmin(ModelAdmin):
    """Accounts are made by signing up and never deleted. Suspending and reopening take a reason, kept as an event."""

    list_display = ["email", "shown_status", "created_at"]
    list_filter = ["status"]
    list_select_related = ["user"]
    ordering = ["-id"]
    search_fields = ["user__email__startswith"]
    show_full_result_count = False
    fields = readonly_fields = ["email", "shown_status", "created_at", "history"]
    actions = None
    actions_detail = ["suspend", "reopen"]

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    @display(description="email address", ordering="user__email")
    def email(self, account):
        return account.user.email

    @display(description="status", ordering="status", label={"active": "success", "suspended": "danger", "closed": "info"})
    def shown_status(self, account):
        return account.status, account.get_status_display()

    @display(description="events")
    def history(self, account):
        return format_html(
            '<a href="{}?account__id__exact={}">Everything done to this account</a>', reverse("admin:accounts_event_changelist"), account.pk
        )

    def _is(self, object_id, status):
        return object_id is not None and Account.objects.filter(pk=object_id, status=status).exists()

    def has_suspend_permission(self, request, object_id=None):
        return self.has_change_permission(request) and self._is(object_id, Account.Status.ACTIVE)

    def has_reopen_permission(self, request, object_id=None):
        return self.has_change_permission(request) and self._is(object_id, Account.Status.SUSPENDED)

    @action(description="Suspend", url_path="suspend", permissions=["suspend"])
    def suspend(self, request, object_id):
        return self._with_reason(
            request, object_id, suspension.suspend, verb="Suspend", done="is suspended: its keys are refused from now on."
        )

    @action(description="Reopen", url_path="reopen", permissions=["reopen"])
    def reopen(self, request, object_id):
        return self._with_reason(request, object_id, suspension.reopen, verb="Reopen", done="is open again.")

    def _with_reason(self, request, object_id, change, *, verb, done):
        account = get_object_or_404(Account.objects.select_related("user"), pk=object_id)
        form = ReasonForm(request.POST or None)
        page = reverse("admin:accounts_account_change", args=[account.pk])
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                if change(account, actor=request.user, reason=form.cleaned_data["reason"]):
                    key_cache.publish_account(account.pk)
                    messages.success(request, f"{account} {done}")
            return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb} {account}",
            "verb": verb,
            "form": form,
            "page": page,
            "opts": self.opts,
        }
        return TemplateResponse(request, "backoffice/reason.html", context)
