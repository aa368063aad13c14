"""Tasks and files for staff: whose, how far, at which provider. What was asked for and what was made are their owner's to see."""

from functools import partial

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.db.models import Q
from django.http import Http404
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts.look_only_admin import BoundedList, LookOnly
from accounts.models import Account
from accounts.reason_page import ask_why, page_of
from catalog.models import Capability, Model
from tasks_app import by_staff
from tasks_app.models import Artifact, Task, TaskStatus

# Of those whose address begins as it is searched for
_MOST_ACCOUNTS = 500
_LABELS = {
    TaskStatus.RUNNING.label: "info",
    TaskStatus.SUCCEEDED.label: "success",
    TaskStatus.FAILED.label: "danger",
    TaskStatus.CANCELED.label: "warning",
}


class OwnedAdmin(LookOnly, BoundedList, ModelAdmin):
    """Rows of an account, found by their id or by whose they are."""

    actions = None
    list_display_links = ["id"]
    list_select_related = ["account__user"]
    ordering = ["-id"]  # ids sort by the time they were made
    search_fields = ["id"]  # how it is searched: get_search_results

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term:
            return queryset, False
        accounts = Account.objects.filter(user__email__startswith=term.lower())[:_MOST_ACCOUNTS]
        return queryset.filter(Q(id__startswith=term) | Q(account__in=list(accounts))), False

    def get_object(self, request, object_id, from_field=None):
        """An id is text, but PostgreSQL takes no NUL in it."""
        return None if "\0" in object_id else super().get_object(request, object_id, from_field)

    def is_over(self, row):
        """Whether there is nothing left to do to it."""
        raise NotImplementedError

    def get_actions_detail(self, request, object_id):
        row = self.get_object(request, unquote(str(object_id)))
        return [] if row is None or self.is_over(row) else super().get_actions_detail(request, object_id)

    def with_reason(self, request, object_id, change, *, over, **words):
        """Asks why, then changes the row; where it is over already, back to it, which says `over`."""
        if (row := self.get_object(request, unquote(object_id))) is None:
            raise Http404
        if self.is_over(row):
            messages.warning(request, over)
            return redirect(page_of(self, row))
        return ask_why(request, self, row, partial(change, row, actor=request.user), **words)

    def may_change(self, request):
        return request.user.has_perm(f"tasks_app.change_{self.opts.model_name}")

    @display(description="account")
    def owner(self, row):
        return _link("accounts_account", row.account_id, row.account)


class MusicModelFilter(admin.SimpleListFilter):
    """Those of the catalog: to ask a big table which there are would take long."""

    title = "model"
    parameter_name = "model"

    def lookups(self, request, model_admin):
        return [(pk, pk) for pk in Model.objects.filter(capability=Capability.MUSIC).order_by("id").values_list("pk", flat=True)]

    def queryset(self, request, queryset):
        return queryset.filter(model=self.value()) if self.value() else queryset


@admin.register(Task)
class TaskAdmin(OwnedAdmin):
    list_display = ["id", "created_at", "account", "state", "model", "tries", "failure"]
    list_filter = ["status", MusicModelFilter, "capability"]
    fields = [
        "id",
        "owner",
        "receipt",
        "capability",
        "model_asked",
        "model",
        "state",
        "stage",
        "percent",
        "failure",
        "why",
        "route",
        "provider_task_id",
        "tried",
        "files",
        "run",
        "next_run_at",
        "created_at",
        "started_at",
        "sent_at",
        "deadline_at",
        "completed_at",
        "cancel_requested_at",
    ]
    readonly_fields = fields
    search_help_text = "A task's id, an account's email address, or how one begins"
    actions_detail = ["cancel_and_refund"]

    def get_queryset(self, request):
        return super().get_queryset(request).defer("input", "clips", "made", "metadata")

    @display(description="status", label=_LABELS)
    def state(self, task):
        return TaskStatus(task.status).label

    @display(description="tries")
    def tries(self, task):
        return len(task.attempts)

    @display(description="error")
    def failure(self, task):
        return (task.error or {}).get("code", "")

    @display(description="why")
    def why(self, task):
        return (task.error or {}).get("message", "")

    @display(description="tries")
    def tried(self, task):
        rows = ((", ".join(f"{name}: {value}" for name, value in one.items() if value not in (None, "")),) for one in task.attempts)
        return format_html_join("", "{}<br>", rows) or "none"

    @display(description="files")
    def files(self, task):
        rows = ((_link("tasks_app_artifact", one.pk, f"{one.pk} ({one.kind})"),) for one in task.artifacts.order_by("created_at", "pk"))
        return format_html_join("", "{}<br>", rows) or "none"

    @display(description="receipt")
    def receipt(self, task):
        return _link("wallets_usagerecord", task.usage_id, task.usage_id)

    def is_over(self, task):
        return task.is_final

    def has_cancel_and_refund_permission(self, request, object_id=None):
        return self.may_change(request)

    @action(description="Cancel and refund", url_path="cancel", permissions=["cancel_and_refund"])
    def cancel_and_refund(self, request, object_id):
        return self.with_reason(
            request,
            object_id,
            by_staff.cancel,
            over="The task has already ended.",
            verb="Cancel",
            button="Cancel and refund",
            then="It ends canceled now, whatever its provider still delivers, and its whole price goes back to the customer.",
            done="The task is canceled and refunded.",
        )


@admin.register(Artifact)
class ArtifactAdmin(OwnedAdmin):
    list_display = ["id", "created_at", "account", "kind", "mime_type", "size", "duration_seconds", "expires_at", "removed_at"]
    list_filter = ["kind", ("removed_at", admin.EmptyFieldListFilter)]
    fields = [
        "id",
        "owner",
        "kind",
        "purpose",
        "of_task",
        "media_type",
        "mime_type",
        "size",
        "duration_seconds",
        "sha256",
        "created_at",
        "expires_at",
        "removed_at",
    ]
    readonly_fields = fields
    search_help_text = "A file's id, an account's email address, or how one begins"
    actions_detail = ["remove_bytes"]

    @display(description="size")
    def size(self, artifact):
        return filesizeformat(artifact.size_bytes)

    @display(description="task")
    def of_task(self, artifact):
        return _link("tasks_app_task", artifact.task_id, artifact.task_id) if artifact.task_id else "none"

    def is_over(self, artifact):
        return artifact.removed_at is not None

    def has_remove_bytes_permission(self, request, object_id=None):
        return self.may_change(request)

    @action(description="Remove its bytes", url_path="remove", permissions=["remove_bytes"])
    def remove_bytes(self, request, object_id):
        return self.with_reason(
            request,
            object_id,
            by_staff.remove,
            over="The file's bytes are already gone.",
            verb="Remove",
            then="Its bytes are deleted now and for good, and links to it lead nowhere. What is known of it stays.",
            done="The file is removed.",
        )


def _link(page, pk, words):
    address = reverse(f"admin:{page}_change", args=[quote(pk)])
    return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', address, words)
