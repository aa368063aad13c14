"""The catalog for staff: models with what they cost, their routes, and the versions of their prices."""

import json
import os
from typing import ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Count, JSONField, Q
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from accounts.look_only_admin import BoundedList, LookOnly
from catalog import editing
from catalog.forms import PriceForm
from catalog.json_field import StrictJSONField
from catalog.models import CHAT_TRANSPORTS, Capability, Model, Price, Route, Transport
from catalog.price_list import PriceEntryError

# While a row is added its kind is not known yet; on its own page only what applies is shown
_OF_CHAT = "Of a chat model. Leave as it is for music, which goes by the transport of its routes."

_NUMBERS = ("credits_per_litellm_usd", "credits_per_task", "provider_cost_usd")


class RouteInline(LookOnly, TabularInline):
    """Added and changed on pages of their own, where the rules are."""

    model = Route
    show_change_link = True
    fields = ["rank", "name", "enabled", "disabled_reason", "transport", "sandbox", "cost_method", "cost_version"]
    readonly_fields = fields
    tab = True


class PriceInline(LookOnly, TabularInline):
    model = Price
    show_change_link = True
    fields = ["version", "credits_per_litellm_usd", "credits_per_task", "provider_cost_usd", "effective_from", "author", "reason"]
    readonly_fields = fields
    ordering = ["-version"]
    tab = True


@admin.register(Model)
class CatalogModelAdmin(ModelAdmin):
    formfield_overrides: ClassVar = {JSONField: {"form_class": StrictJSONField}}
    list_display = ["id", "display_name", "capability", "state", "auto_rank", "markup", "context_window", "max_output_tokens"]
    list_filter = ["capability", "enabled"]
    search_fields = ["id__istartswith", "display_name__istartswith"]
    show_full_result_count = False
    inlines = [RouteInline, PriceInline]
    actions_detail = ["new_price"]
    fieldsets = [
        (None, {"fields": ["id", "display_name", "capability", "enabled", "auto_rank"]}),
        (
            "Limits",
            {
                "description": _OF_CHAT,
                "fields": ["context_window", "max_output_tokens", "default_output_tokens", "tokens_per_image"],
            },
        ),
        (
            "What it takes",
            {"description": _OF_CHAT, "fields": ["supported_fields", "temperature_min", "temperature_max", "model_options"]},
        ),
    ]

    def get_queryset(self, request):
        in_use = Count("routes", filter=Q(routes__enabled=True))
        return super().get_queryset(request).annotate(enabled_routes=in_use).prefetch_related("prices")

    def get_fieldsets(self, request, obj=None):
        return self.fieldsets[:1] if obj and obj.capability == Capability.MUSIC else self.fieldsets

    def get_readonly_fields(self, request, obj=None):
        return ["id", "capability"] if obj else []

    def has_delete_permission(self, request, obj=None):
        """Models are switched off, not deleted: receipts name them."""
        return False

    def has_new_price_permission(self, request, object_id=None):
        return request.user.has_perm("catalog.add_price")

    @action(description="New price", url_path="new-price", permissions=["new_price"])
    def new_price(self, request, object_id):
        return redirect(f"{reverse('admin:catalog_price_add')}?{urlencode({'model': unquote(object_id)})}")

    def save_model(self, request, obj, form, change):
        editing.save_model(obj, actor=request.user)

    @display(description="State", label={"on": "success", "off": "danger", "no route": "warning"})
    def state(self, model):
        if not model.enabled:
            return "off"
        return "on" if model.enabled_routes else "no route"

    @display(description="Price")
    def markup(self, model):
        """The version in force, out of the prefetched ones."""
        price = model.price_in_force()
        if price is None:
            return "none yet"
        if price.credits_per_task is not None:
            return f"{price.credits_per_task} credits a task (version {price.version})"
        return f"{price.credits_per_litellm_usd} credits per USD (version {price.version})"


@admin.register(Route)
class RouteAdmin(ModelAdmin):
    formfield_overrides: ClassVar = {JSONField: {"form_class": StrictJSONField}}
    list_display = ["model", "rank", "name", "state", "transport", "upstream", "cost_method", "cost_source", "cost_version"]
    list_display_links = ["name"]
    list_filter = ["enabled", "sandbox", "transport", "cost_method", "model"]
    list_select_related = ["model"]
    search_fields = ["model__id__istartswith", "name__istartswith"]
    show_full_result_count = False
    actions = ["reread_prices"]
    readonly_fields = ["state", "prices", "cost_source", "cost_method", "cost_version"]
    fieldsets = [
        (None, {"fields": ["model", "name", "rank", "enabled", "state"]}),
        (
            "Upstream",
            {
                "description": "The native transport costs a thirtieth of LiteLLM's work per call. It needs a provider that speaks "
                "OpenAI's dialect, and its address. A music route needs the address, the upstream model and the credential variable.",
                "fields": [
                    "transport",
                    "litellm_model",
                    "upstream_model",
                    "base_url",
                    "base_url_env",
                    "credential_env",
                    "stoppable",
                    "sandbox",
                ],
            },
        ),
        (
            "Its price list",
            {
                "description": "Of a chat route: USD per token, in the words of LiteLLM's price map. Whenever it changes, our sums are "
                "compared with LiteLLM's, which may take some seconds.",
                "fields": ["cost_key", "cost_override", "prices", "cost_source", "cost_method", "cost_version"],
            },
        ),
    ]
    music_fieldsets = [
        fieldsets[0],
        ("Upstream", {"fields": ["transport", "upstream_model", "base_url", "base_url_env", "credential_env", "sandbox"]}),
    ]

    def has_delete_permission(self, request, obj=None):
        """Routes are switched off, not deleted: receipts name them."""
        return False

    def get_fieldsets(self, request, obj=None):
        return self.music_fieldsets if obj and obj.model.capability == Capability.MUSIC else self.fieldsets

    def get_readonly_fields(self, request, obj=None):
        return [*self.readonly_fields, "model", "name"] if obj else self.readonly_fields

    def save_model(self, request, obj, form, change):
        editing.save_route(obj, actor=request.user)

    @display(description="State")
    def state(self, route):
        if not route.enabled:
            return f"off: {route.disabled_reason or 'never switched on'}"
        if route.sandbox and not settings.SANDBOX:
            return "not used: the sandbox is off"
        if route.credential_env and not os.environ.get(route.credential_env):
            return f"not used: {route.credential_env} is not set"
        if route.transport != Transport.LITELLM and not (route.sandbox or route.base_url or os.environ.get(route.base_url_env)):
            return f"not used: {route.base_url_env} is not set"
        return "on"

    @display(description="Upstream")
    def upstream(self, route):
        return route.litellm_model or route.upstream_model

    @display(description="Prices that count")
    def prices(self, route):
        return format_html("<pre>{}</pre>", json.dumps(route.effective_cost_entry, indent=2)) if route.pk else "-"

    @action(description="Read LiteLLM's prices again", permissions=["change"])
    def reread_prices(self, request, queryset):
        for route in queryset.select_related("model"):
            if route.transport not in CHAT_TRANSPORTS:
                messages.warning(request, f"{route}: music has no price list by tokens, nothing was read.")
                continue
            try:
                changed = editing.reread_prices(route, actor=request.user)
            except PriceEntryError as error:
                messages.error(request, f"{route}: nothing was changed. These prices can't be sold from: {error}.")
            else:
                messages.success(request, f"{route}: {'the price list changed' if changed else 'the price list is as it was'}.")


@admin.register(Price)
class PriceAdmin(LookOnly, BoundedList, ModelAdmin):
    """A change is a new version."""

    addable = True
    form = PriceForm
    list_display = [
        "model",
        "version",
        "credits_per_litellm_usd",
        "credits_per_task",
        "provider_cost_usd",
        "effective_from",
        "author",
        "reason",
    ]
    list_filter = ["model"]
    list_select_related = ["model", "author"]
    ordering = ["-effective_from", "-id"]
    search_fields = ["model__id__istartswith"]

    def get_changeform_initial_data(self, request):
        """Of a model that the page's address names, what counts now: whoever changes one number loses no other."""
        given = super().get_changeform_initial_data(request)
        model = Model.objects.filter(pk=str(given.get("model", "")).replace("\0", "")).first()
        price = None if model is None else model.price_in_force()
        return given if price is None else {**{name: getattr(price, name) for name in _NUMBERS}, **given}

    def save_model(self, request, obj, form, change):
        price = editing.add_price(
            obj.model,
            author=request.user,
            reason=obj.reason,
            credits_per_litellm_usd=obj.credits_per_litellm_usd,
            credits_per_task=obj.credits_per_task,
            provider_cost_usd=obj.provider_cost_usd,
            effective_from=obj.effective_from,
        )
        obj.pk, obj.version = price.pk, price.version
