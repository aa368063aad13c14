"""The account in the admin: its actions reach into apps that accounts/ may not know."""

from functools import partial

from django.contrib import admin
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts.look_only_admin import BoundedList
from accounts.models import Account
from accounts.reason_page import ask_why
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
    fields = readonly_fields = ["email", "status", "most_requests", "most_calls", "most_uploads", "created_at", "links"]
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

    @display(description="uploads kept, at most")
    def most_uploads(self, account):
        count, size = account.stored_uploads, account.stored_bytes
        if count is None and size is None:
            return f"{limits.STORED_UPLOADS}, {filesizeformat(limits.STORED_BYTES)} in all, as everybody has"
        count = limits.STORED_UPLOADS if count is None else count
        return f"{count}, {filesizeformat(limits.STORED_BYTES if size is None else size)} in all"

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
        given = {
            "requests_per_minute": account.requests_per_minute,
            "max_in_flight": wallet.max_in_flight,
            "stored_uploads": account.stored_uploads,
            "stored_mib": None if account.stored_bytes is None else account.stored_bytes // limits.MIB,
        }
        return ask_why(
            request,
            self,
            account,
            partial(limiting.limit, wallet, actor=request.user),
            verb="Change the limits of",
            button="Change the limits",
            then="The figures count for new requests at once, in every process.",
            done=f"{account} has other limits.",
            form=LimitsForm(request.POST or None, initial=given),
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
        return ask_why(request, self, account, partial(change, account, actor=request.user), verb=verb, then=then, done=f"{account} {done}")
