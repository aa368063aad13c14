"""Vouchers for staff: a batch is made by a form, its codes are shown once, and codes can be disabled."""

import base64
from functools import partial

from django.contrib import admin, messages
from django.db.models import OuterRef, Subquery, Sum
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts.look_only_admin import BoundedList, LookOnly
from accounts.reason_page import ask_why, page_of
from wallets.models import Voucher, VoucherBatch
from wallets.vouchers import spelling, vouchers
from wallets.vouchers.forms import BatchForm


class Disabling(LookOnly, BoundedList, ModelAdmin):
    """Rows that stand for vouchers, which can be disabled: with a reason, and for good."""

    actions = None
    whose: str

    def has_disable_permission(self, request, object_id=None):
        return request.user.has_perm("wallets.change_voucher")

    @action(description="Disable", url_path="disable", permissions=["disable"])
    def disable(self, request, object_id):
        if (row := self.get_object(request, object_id)) is None:
            raise Http404
        left = self.vouchers_of(row).filter(disabled_at=None)
        if not left.exists():
            messages.info(request, "Disabled before.")
            return redirect(page_of(self, row))
        return ask_why(
            request,
            self,
            row,
            partial(vouchers.disable, left, actor=request.user),
            verb="Disable",
            what=f"{self.whose} {row}",
            then="From now on nobody redeems it; credits that were given stay. This can't be undone: make new codes instead.",
            done=f"Disabled: {self.whose} {row}.",
        )


@admin.register(VoucherBatch)
class VoucherBatchAdmin(Disabling):
    """Adding one makes its codes. They are shown on the page that answers, and never again."""

    addable = True
    whose = "every code of the batch"
    form = BatchForm
    list_display = ["id", "note_begun", "credits", "codes", "uses", "redeemed", "expires_at", "created_by", "created_at"]
    list_select_related = ["created_by"]
    ordering = ["-id"]
    search_fields = ["note__istartswith"]
    search_help_text = "The beginning of a note"
    actions_detail = ["open_codes", "disable"]

    def get_queryset(self, request):
        """With how often its codes were redeemed, summed for the rows that are shown alone."""
        used = Voucher.objects.filter(batch=OuterRef("pk")).order_by().values("batch").values(total=Sum("used"))
        return super().get_queryset(request).annotate(used_in_all=Subquery(used))

    def get_fields(self, request, obj=None):
        if obj is None:
            return ["credits", "codes", "uses", "expires_at", "note", "submission"]
        return ["credits", "codes", "uses", "redeemed", "expires_at", "note", "created_by", "created_at"]

    def get_readonly_fields(self, request, obj=None):
        return [] if obj is None else self.get_fields(request, obj)

    def vouchers_of(self, batch):
        return batch.vouchers.all()

    def save_model(self, request, obj, form, change):
        given = form.cleaned_data
        made = vouchers.make(
            credits=obj.credits,
            codes=obj.codes,
            uses=obj.uses,
            expires_at=obj.expires_at,
            note=obj.note,
            actor=request.user,
            submission=given["submission"],
        )
        obj.pk, request.voucher_codes = made.batch.pk, made.codes

    def add_view(self, request, form_url="", extra_context=None):
        try:
            return super().add_view(request, form_url, extra_context)
        except vouchers.AlreadyMadeError as refusal:
            messages.warning(
                request,
                "This form was sent before, and its codes were shown then. If nobody has them, disable this batch and make another.",
            )
            return redirect(reverse("admin:wallets_voucherbatch_change", args=[refusal.batch.pk]))

    def response_add(self, request, obj, post_url_continue=None):
        """The codes, instead of the way back to the list: this once, to print or to save as a file."""
        codes = request.voucher_codes
        file = base64.b64encode("".join(f"{code}\r\n" for code in ("code", *codes)).encode()).decode()
        context = {
            **self.admin_site.each_context(request),
            "title": f"{len(codes)} new voucher code{'' if len(codes) == 1 else 's'}",
            "batch": obj,
            "codes": codes,
            "file": f"data:text/csv;base64,{file}",
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/voucher_codes.html", context)

    @action(description="Codes", url_path="codes")
    def open_codes(self, request, object_id):
        return redirect(f"{reverse('admin:wallets_voucher_changelist')}?{urlencode({'batch__id__exact': object_id})}")

    @display(description="note")
    def note_begun(self, batch):
        return Truncator(batch.note).chars(60)

    @display(description="redeemed")
    def redeemed(self, batch):
        return batch.used_in_all


@admin.register(Voucher)
class VoucherAdmin(Disabling):
    whose = "the code"
    list_display = ["begins_with", "batch", "credits", "used", "uses", "state", "expires_at"]
    fields = ["begins_with", "batch", "credits", "used", "uses", "state", "expires_at", "disabled_at"]
    readonly_fields = fields
    list_select_related = ["batch"]
    ordering = ["-id"]
    search_fields = ["prefix"]  # how it is searched: get_search_results
    search_help_text = "The first group of a code"
    actions_detail = ["redemptions", "disable"]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("batch").defer("digest")

    def get_search_results(self, request, queryset, search_term):
        first = search_term.strip().upper()[: spelling.GROUP]
        return (queryset.filter(prefix=first) if first else queryset), False

    def lookup_allowed(self, lookup, value, request):
        return lookup == "batch__id__exact" or super().lookup_allowed(lookup, value, request)

    def vouchers_of(self, voucher):
        return Voucher.objects.filter(pk=voucher.pk)

    def has_redemptions_permission(self, request, object_id=None):
        return request.user.has_perm("wallets.view_ledgerentry")

    @action(description="Redemptions", url_path="redemptions", permissions=["redemptions"])
    def redemptions(self, request, object_id):
        query = urlencode({"q": f"voucher:{object_id}:"})
        return redirect(f"{reverse('admin:wallets_ledgerentry_changelist')}?{query}")

    @display(description="code", ordering="prefix")
    def begins_with(self, voucher):
        return format_html('<span class="font-mono">{}</span>', voucher)

    @display(description="credits")
    def credits(self, voucher):
        return voucher.batch.credits

    @display(description="expires")
    def expires_at(self, voucher):
        return voucher.batch.expires_at

    @display(description="status", label={"open": "success", "used up": "info", "expired": "warning", "disabled": "danger"})
    def state(self, voucher):
        return voucher.status().value
