"""API keys for staff: look, and revoke."""

from django.contrib import admin, messages
from django.db.models import Q
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.look_only_admin import BoundedList, LookOnly
from keys import issuing, tokens
from keys.models import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(LookOnly, BoundedList, ModelAdmin):
    list_display = ["prefix", "account", "name", "state", "created_at", "last_used_at"]
    list_select_related = ["account__user"]
    fields = [
        "prefix",
        "account",
        "name",
        "state",
        "created_by",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "allowed_models",
    ]
    readonly_fields = fields
    ordering = ["-pk"]
    search_fields = ["prefix", "account"]  # how it is searched: get_search_results
    search_help_text = "A key or its beginning, or an account's email address"
    actions = ["revoke"]

    @display(
        description="Status",
        label={ApiKey.Status.ACTIVE.label: "success", ApiKey.Status.EXPIRED.label: "warning", ApiKey.Status.REVOKED.label: "danger"},
    )
    def state(self, key):
        return key.status().label

    @admin.action(description="Revoke the chosen keys", permissions=["revoke"])
    def revoke(self, request, queryset):
        revoked = sum(issuing.revoke(key, actor=request.user) for key in queryset.select_related("account"))
        self.message_user(request, f"{revoked} of {len(queryset)} keys revoked.", messages.SUCCESS)

    def get_search_results(self, request, queryset, search_term):
        """By the beginning of a key, or by an exact address. A whole key is cut down to its prefix."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(Q(prefix__startswith=tokens.prefix(term)) | Q(account__user__email=term.lower())), False

    def has_revoke_permission(self, request):
        return request.user.has_perm("keys.revoke_apikey")
