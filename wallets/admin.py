"""Wallets, their books and the credits-per-USD rate for staff. Nothing in the books can be edited: money moves by a new entry."""

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

# Each registers its own
import wallets.automatic_top_ups.admin
import wallets.top_ups.admin
import wallets.vouchers.admin  # noqa: F401
from accounts.look_only_admin import BoundedList, LookOnly
from accounts.reason_page import page_of, reason_page
from wallets import editing, ledger, refunds
from wallets.books_admin import BooksAdmin
from wallets.forms import MoveForm, RateForm, RefundForm
from wallets.models import AuditRun, CreditsPerUsdRate, IdempotencyKey, LedgerEntry, UsageRecord, Wallet
from wallets.money import as_text


@admin.register(Wallet)
class WalletAdmin(BoundedList, ModelAdmin):
    list_display = ["account", "balance", "held", "in_flight", "max_in_flight", "created_at"]
    fields = ["account", "balance", "held", "in_flight", "max_in_flight", "entries", "created_at"]
    readonly_fields = ["account", "balance", "held", "in_flight", "entries", "created_at"]
    ordering = ["-id"]
    search_fields = ["account__user__email__startswith"]
    search_help_text = "An account's email address or its beginning"
    actions = None
    actions_detail = ["move", "books", "usage"]

    def get_queryset(self, request):
        """With the address, which is a wallet's name: the lists to choose from know no list_select_related."""
        return super().get_queryset(request).select_related("account__user")

    def has_add_permission(self, request):
        """A wallet is made with its account."""
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        """Its limit alone: the amounts in `obj` may be a moment old."""
        editing.limit_calls(obj, max_in_flight=obj.max_in_flight, actor=request.user)

    def has_move_permission(self, request, object_id=None):
        return request.user.has_perm("wallets.add_ledgerentry")

    @action(description="Give or take credits", url_path="move", permissions=["move"])
    def move(self, request, object_id):
        return self._with_wallet(request, object_id, "ledgerentry_add", "wallet")

    @action(description="Ledger", url_path="ledger")
    def books(self, request, object_id):
        return self._with_wallet(request, object_id, "ledgerentry_changelist", "wallet__id__exact")

    @action(description="Usage", url_path="usage")
    def usage(self, request, object_id):
        return self._with_wallet(request, object_id, "usagerecord_changelist", "wallet__id__exact")

    def _with_wallet(self, request, object_id, page, parameter):
        if (wallet := self.get_object(request, object_id)) is None:
            raise Http404
        return redirect(f"{reverse(f'admin:wallets_{page}')}?{parameter}={wallet.pk}")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(BooksAdmin):
    """Adding one is how staff give or take credits: grants and adjustments only, with a reason."""

    addable = True
    form = MoveForm
    autocomplete_fields = ["wallet"]
    list_display = ["created_at", "wallet_of", "kind", "amount", "balance_after", "reference", "reason_begun", "actor"]
    list_filter = ["kind"]
    list_select_related = ["wallet__account__user", "actor"]
    ordering = ["-id"]
    search_fields = ["reference"]  # how it is searched: get_search_results
    search_help_text = "A reference or its beginning, or an account's email address"

    def found_by(self, term):
        return Q(reference__startswith=term)

    def lookup_allowed(self, lookup, value, request):
        return lookup in ("wallet__id__exact", "usage_record__id__exact") or super().lookup_allowed(lookup, value, request)

    def get_fields(self, request, obj=None):
        if obj is None:
            return ["wallet", "kind", "amount", "reason", "submission"]
        return [field.name for field in LedgerEntry._meta.fields]

    def save_model(self, request, obj, form, change):
        entry = editing.move_credits(
            obj.wallet,
            kind=obj.kind,
            amount=obj.amount,
            submission=str(form.cleaned_data["submission"]),
            actor=request.user,
            reason=obj.reason,
        )
        obj.pk, obj.reference = entry.pk, entry.reference

    def add_view(self, request, form_url="", extra_context=None):
        """What the ledger refuses is said on a fresh form, and nothing is entered. Only it knows: it looks at the locked wallet."""
        try:
            return super().add_view(request, form_url, extra_context)
        except ledger.NotEnoughCreditsError as refused:
            messages.error(request, f"Nothing was entered: {refused}.")
        except ledger.ReferenceTakenError:
            messages.error(request, "This form was sent before, with other values; that entry stands. Here is a fresh one.")
        return redirect(request.get_full_path())

    @display(description="wallet")
    def wallet_of(self, entry):
        return entry.wallet.account

    @display(description="reason")
    def reason_begun(self, entry):
        return Truncator(entry.reason).chars(60)


@admin.register(UsageRecord)
class UsageRecordAdmin(BooksAdmin):
    list_display = [
        "id",
        "created_at",
        "wallet_of",
        "model",
        "status",
        "clause",
        "charged_credits",
        "cost_usd",
        "absorbed_cost_usd",
        "estimated",
        "alert",
        "latency_ms",
    ]
    list_filter = ["status", "clause", "capability", "estimated", ("alert", admin.EmptyFieldListFilter)]
    list_select_related = ["wallet__account__user"]
    ordering = ["-id"]
    search_fields = ["id"]  # how it is searched: get_search_results
    search_help_text = "An id or its beginning, a whole request id, or an account's email address"

    def found_by(self, term):
        return Q(id__startswith=term) | Q(request_id=term)

    def lookup_allowed(self, lookup, value, request):
        return lookup == "wallet__id__exact" or super().lookup_allowed(lookup, value, request)

    readonly_fields = ["created_at", "closed_at"]
    actions_detail = ["refund", "entries"]

    @display(description="wallet")
    def wallet_of(self, record):
        return record.wallet.account

    def has_refund_permission(self, request, object_id=None):
        """Of what was charged, also when it was all given back since: a form sent twice is told so, not refused."""
        may = self.has_view_permission(request) and request.user.has_perm("wallets.add_ledgerentry")
        return may and self._found(request, object_id).charged_credits > 0

    def get_object(self, request, object_id, from_field=None):
        """An id is text, but PostgreSQL takes no NUL in it."""
        return None if "\0" in object_id else super().get_object(request, object_id, from_field)

    def _found(self, request, object_id):
        """The record of an address, which may end in anything."""
        if (record := self.get_object(request, unquote(object_id))) is None:
            raise Http404
        return record

    @action(description="Refund", url_path="refund", permissions=["refund"])
    def refund(self, request, object_id):
        record = self._found(request, object_id)
        page = page_of(self, record)
        left = refunds.left(record)
        form = RefundForm(request.POST or None, record=record, left=left)
        entry = None
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            entry = editing.refund_call(
                record, credits=given["credits"], submission=str(given["submission"]), actor=request.user, reason=given["reason"]
            )
        if entry is not None:
            messages.success(request, f"{as_text(entry.amount)} credits were refunded to {record.wallet.account}.")
            return redirect(page)
        if left == 0:
            messages.error(request, "Nothing is left to refund: all of this charge was given back.")
            return redirect(page)
        then = (
            f"{as_text(record.charged_credits)} credits were charged, {as_text(left)} of them can be given back."
            " They are available at once; the customer's receipt shows the amount and the time."
        )
        return reason_page(request, self, record, verb="Refund", then=then, form=form)

    def has_entries_permission(self, request, object_id=None):
        """By a method: a permission named in the action is looked up in the database, which may not be there yet."""
        return request.user.has_perm("wallets.view_ledgerentry")

    @action(description="Ledger entries", url_path="ledger", permissions=["entries"])
    def entries(self, request, object_id):
        record = self._found(request, object_id)
        query = urlencode({"usage_record__id__exact": record.pk})
        return redirect(f"{reverse('admin:wallets_ledgerentry_changelist')}?{query}")


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(BooksAdmin):
    """Which calls have a key and until when. The digests and the sealed answer are nobody's to look at, and are not even read."""

    list_display = ["usage_id", "created_at", "wallet_of", "expires_at", "is_answered"]
    list_display_links = ["usage_id"]
    fields = ["usage", "wallet", "created_at", "expires_at", "is_answered"]
    list_select_related = ["wallet__account__user"]
    ordering = ["-id"]
    search_fields = ["usage"]  # how it is searched: get_search_results
    search_help_text = "The id of a call or its beginning, or an account's email address"

    def get_queryset(self, request):
        answered = ExpressionWrapper(Q(answer__isnull=False), output_field=BooleanField())
        return super().get_queryset(request).defer("digest", "fingerprint", "answer").annotate(answered=answered)

    def found_by(self, term):
        return Q(usage__id__startswith=term)

    @display(description="call")
    def usage_id(self, key):
        return str(key)

    @display(description="wallet")
    def wallet_of(self, key):
        return key.wallet.account

    @display(description="answered", boolean=True)
    def is_answered(self, key):
        return key.answered


@admin.register(CreditsPerUsdRate)
class CreditsPerUsdRateAdmin(BooksAdmin):
    addable = True
    form = RateForm
    autocomplete_fields = ["wallet"]
    list_display = ["value", "whose", "effective_from", "author", "reason"]
    list_select_related = ["wallet__account__user", "author"]
    ordering = ["-effective_from", "-id"]
    search_fields = ["reason"]  # how it is searched: get_search_results
    search_help_text = "An account's email address, or the beginning of a reason"

    def found_by(self, term):
        return Q(reason__istartswith=term)

    def save_model(self, request, obj, form, change):
        rate = editing.set_rate(
            obj.wallet, credits_per_usd=obj.value, effective_from=obj.effective_from, actor=request.user, reason=obj.reason
        )
        obj.pk = rate.pk

    @display(description="whose")
    def whose(self, rate):
        return rate.wallet.account if rate.wallet else "the site"


@admin.register(AuditRun)
class AuditRunAdmin(LookOnly, ModelAdmin):
    """The last audits of the books: `manage.py audit_wallets`, or beat, adds one."""

    actions = None
    list_display = ["ended_at", "differences", "wallets", "entries", "usage_records"]
    ordering = ["-id"]
