"""Users and the audit trail for staff. The account itself is in beatra_site/backoffice, whose actions reach into other apps."""

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.look_only_admin import BoundedList, LookOnly
from accounts.models import Event, Notice, User

# allauth's own page of addresses: they are shown with their user instead
admin.site.unregister(EmailAddress)


class EmailAddressInline(LookOnly, TabularInline):
    """Which addresses of a user are confirmed. Only their owner confirms them."""

    model = EmailAddress
    fields = readonly_fields = ["email", "verified", "primary"]
    extra = 0


@admin.register(User)
class UserAdmin(BoundedList, DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    fieldsets = [
        (None, {"fields": ["email", "password"]}),
        ("Name", {"fields": ["first_name", "last_name"]}),
        ("May", {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("Times", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": ["email", "usable_password", "password1", "password2", "is_staff"]})]
    list_display = ["email", "is_active", "is_staff", "last_login", "date_joined"]
    list_filter = ["is_staff", "is_active"]
    ordering = ["-date_joined", "-pk"]
    search_fields = ["email__startswith"]
    inlines = [EmailAddressInline]
    readonly_fields = ["last_login", "date_joined"]

    def get_inlines(self, request, obj):
        return self.inlines if obj else []

    def has_delete_permission(self, request, obj=None):
        """Users are switched off, not deleted: money and events point to them."""
        return False


@admin.register(Event)
class EventAdmin(LookOnly, BoundedList, ModelAdmin):
    list_display = ["created_at", "kind", "account", "actor", "data"]
    list_filter = ["kind"]
    list_select_related = ["account__user", "actor"]
    ordering = ["-id"]
    search_fields = ["account__user__email__startswith", "kind__exact"]


@admin.register(Notice)
class NoticeAdmin(LookOnly, BoundedList, ModelAdmin):
    """Mails to customers about money and keys: what was said, and whether it left."""

    list_display = ["created_at", "kind", "account", "reference", "tries", "sent_at"]
    list_filter = ["kind", ("sent_at", admin.EmptyFieldListFilter)]
    list_select_related = ["account__user"]
    ordering = ["-created_at", "-id"]
    search_fields = ["account__user__email__startswith", "reference__exact"]


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(ModelAdmin):
    search_fields = ["name"]
