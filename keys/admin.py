"""API keys for staff: look, pause, resume, and revoke."""

from functools import partial

from django.contrib import admin
from django.db.models import Q
from django.http import Http404
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts.look_only_admin import BoundedList, LookOnly
from accounts.reason_page import ask_why
from keys import issuing, pausing, tokens
from keys.models import ApiKey
from wallets import budgets
from wallets.money import group

_LABELS = {
    ApiKey.Status.ACTIVE.label: "success",
    ApiKey.Status.EXPIRES_SOON.label: "warning",
    ApiKey.Status.PAUSED.label: "warning",
    ApiKey.Status.EXPIRED.label: "warning",
    ApiKey.Status.REVOKED.label: "danger",
}


@admin.register(ApiKey)
class ApiKeyAdmin(LookOnly, BoundedList, ModelAdmin):
    """Keys are made, edited and rotated by their owners. Pausing, resuming and revoking take a reason, kept with the event."""

    list_display = ["prefix", "account", "name", "state", "restricted", "caps", "created_at", "last_used_at"]
    list_select_related = ["account__user"]
    fields = [
        "prefix",
        "account",
        "name",
        "state",
        "created_by",
        "created_at",
        "expires_at",
        "paused_at",
        "revoked_at",
        "replaced_by",
        "last_used_at",
        "may_do",
        "models",
        "networks",
        "requests_per_minute",
        "spend_caps",
    ]
    readonly_fields = fields
    ordering = ["-pk"]
    search_fields = ["prefix", "account"]  # how it is searched: get_search_results
    search_help_text = "A key or its beginning, or an account's email address"
    actions = None
    actions_detail = ["pause", "resume", "revoke"]

    @display(description="Status", label=_LABELS)
    def state(self, key):
        return key.status().label

    @display(description="Restrictions")
    def restricted(self, key):
        return " · ".join(key.restrictions.glance) or "none"

    def get_changelist_instance(self, request):
        """With the caps of the keys that are shown, read at once."""
        changelist = super().get_changelist_instance(request)
        caps = budgets.caps_of(key.pk for key in changelist.result_list)
        for key in changelist.result_list:
            key.caps = caps.get(key.pk, [])
        return changelist

    @display(description="Spend caps")
    def caps(self, key):
        return " · ".join(_cap(cap) for cap in key.caps) or "none"

    @display(description="Spend caps")
    def spend_caps(self, key):
        caps = budgets.caps_of([key.pk]).get(key.pk, [])
        return _lines(f"{_cap(cap)}: {group(cap.spent_credits)} spent, {group(cap.held_credits)} held" for cap in caps) if caps else "none"

    @display(description="May do")
    def may_do(self, key):
        return "everything" if key.scopes is None else _lines(key.restrictions.scope_lines)

    @display(description="Models")
    def models(self, key):
        return "all" if key.allowed_models is None else _lines(key.allowed_models)

    @display(description="May be used from")
    def networks(self, key):
        return "everywhere" if key.allowed_networks is None else _lines(key.restrictions.network_lines)

    def get_search_results(self, request, queryset, search_term):
        """By the beginning of a key, or by an exact address. A whole key is cut down to its prefix."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(Q(prefix__startswith=tokens.prefix(term)) | Q(account__user__email=term.lower())), False

    def has_pause_permission(self, request, object_id=None):
        return self._may(request, object_id, lambda key: key.works())

    def has_resume_permission(self, request, object_id=None):
        return self._may(request, object_id, lambda key: key.paused_at is not None and not key.has_ended())

    def has_revoke_permission(self, request, object_id=None):
        return self._may(request, object_id, lambda key: key.revoked_at is None)

    def _may(self, request, object_id, holds):
        """Whoever may revoke may pause: the one is for good, the other is not."""
        if not request.user.has_perm("keys.revoke_apikey"):
            return False
        key = object_id and self.get_object(request, object_id)
        return key is not None and holds(key)

    @action(description="Pause", url_path="pause", permissions=["pause"])
    def pause(self, request, object_id):
        return self._with_reason(
            request,
            object_id,
            pausing.pause,
            verb="Pause",
            then="It is refused at once, until it is resumed, which its owner can do too. To shut it for good, revoke it.",
            done="is paused.",
        )

    @action(description="Resume", url_path="resume", permissions=["resume"])
    def resume(self, request, object_id):
        return self._with_reason(request, object_id, pausing.resume, verb="Resume", then="It works again at once.", done="is resumed.")

    @action(description="Revoke", url_path="revoke", permissions=["revoke"])
    def revoke(self, request, object_id):
        return self._with_reason(
            request,
            object_id,
            issuing.revoke,
            verb="Revoke",
            then="It is refused at once, and for good. Calls in flight run to their end and are charged.",
            done="is revoked.",
        )

    def _with_reason(self, request, object_id, change, *, verb, then, done):
        if (key := self.get_object(request, object_id)) is None:
            raise Http404
        return ask_why(request, self, key, partial(change, key, actor=request.user), verb=verb, then=then, done=f"{key} {done}")


def _cap(cap):
    if cap.is_used_up:
        return f"{cap.in_words}, used up"
    return f"{cap.in_words}, {cap.percent} % used"


def _lines(lines):
    return format_html_join("", "{}<br>", ((line,) for line in lines)) or "nothing"
