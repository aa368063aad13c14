"""The account in the admin: its actions reach into apps that accounts/ may not know."""

from django.contrib import admin, messages
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts.look_only_admin import BoundedList
from accounts.models import Account
from accounts.reason_form import ReasonForm
from beatra_site.backoffice import account_links, cap_admin, limiting, suspending  # noqa: F401  # cap_admin registers its own
from beatra_site.backoffice.limits_form import LimitsForm
from contract import limits
from wallets.models import Wallet


@admin.register(Account)
class AccountAdmin(BoundedList, ModelAdmin):
    """Accounts are made by signing up and never deleted. Suspending, reopening and other limits take a reason, kept as an event."""

    list_display = ["email", "status_label", "created_at"]
    list_filter = ["status"]
    list_select_related = ["user"]
    ordering = ["-id"]
    search_fields = ["user__email__startswith"]
    fields = readonly_fields = ["email", "status", "most_requests", "most_calls", "created_at", "links"]
    actions = None
    actions_detail = ["limit", "suspend", "reopen"]

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """Nothing here is edited in place, so there is nothing to save."""
        nothing_to_save = {"show_save": False, "show_save_and_continue": False}
        return super().change_view(request, object_id, form_url, {**nothing_to_save, **(extra_context or {})})

    @display(description="email address", ordering="user__email")
    def email(self, account):
        return account.user.email

    @display(description="status", ordering="status", label={"active": "success", "suspended": "danger", "closed": "info"})
    def status_label(self, account):
        return account.status, account.get_status_display()

    @display(description="requests per minute")
    def most_requests(self, account):
        return account.requests_per_minute or f"{limits.REQUESTS_PER_MINUTE}, as everybody has"

    @display(description="calls in flight, at most")
    def most_calls(self, account):
        return Wallet.objects.filter(account=account).values_list("max_in_flight", flat=True).first()

    @display(description="what it has")
    def links(self, account):
        return format_html_join("", '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a><br>', account_links.of(account))

    def _is(self, request, object_id, status):
        return object_id is not None and self._found(request, object_id).status == status

    def _found(self, request, object_id):
        """The account of an address, which may end in anything."""
        if (account := self.get_object(request, object_id)) is None:
            raise Http404
        return account

    def has_limit_permission(self, request, object_id=None):
        return self.has_change_permission(request)

    def has_suspend_permission(self, request, object_id=None):
        return self.has_change_permission(request) and self._is(request, object_id, Account.Status.ACTIVE)

    def has_reopen_permission(self, request, object_id=None):
        return self.has_change_permission(request) and self._is(request, object_id, Account.Status.SUSPENDED)

    @action(description="Limits", url_path="limit", permissions=["limit"])
    def limit(self, request, object_id):
        account = self._found(request, object_id)
        wallet = get_object_or_404(Wallet, account=account)
        given = {"requests_per_minute": account.requests_per_minute, "max_in_flight": wallet.max_in_flight}
        return self._with_form(
            request,
            account,
            LimitsForm(request.POST or None, initial=given),
            lambda data: limiting.limit(wallet, actor=request.user, **data),
            verb="Change the limits of",
            button="Change the limits",
            then="The figures count for new requests at once, in every process.",
            done="has other limits.",
        )

    @action(description="Suspend", url_path="suspend", permissions=["suspend"])
    def suspend(self, request, object_id):
        return self._with_reason(
            request,
            object_id,
            suspending.suspend,
            verb="Suspend",
            then="Its API keys are refused at once. Calls in flight run to their end and are charged.",
            done="is suspended.",
        )

    @action(description="Reopen", url_path="reopen", permissions=["reopen"])
    def reopen(self, request, object_id):
        return self._with_reason(
            request, object_id, suspending.reopen, verb="Reopen", then="Its API keys work again at once.", done="is open again."
        )

    def _with_reason(self, request, object_id, change, *, verb, then, done):
        account = self._found(request, object_id)
        form = ReasonForm(request.POST or None)
        return self._with_form(
            request, account, form, lambda data: change(account, actor=request.user, **data), verb=verb, then=then, done=done
        )

    def _with_form(self, request, account, form, change, *, verb, then, done, button=None):
        """The page of `form`; once it is valid, `change` with what was given, and back to the account."""
        page = reverse("admin:accounts_account_change", args=[account.pk])
        if request.method == "POST" and form.is_valid():
            if change(form.cleaned_data):
                messages.success(request, f"{account} {done}")
            return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb} {account}",
            "what": account,
            "verb": verb,
            "button": button or verb,
            "then": then,
            "form": form,
            "page": page,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/reason.html", context)
