"""The wallet page: what there is, and the ledger behind it, entry by entry."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.access import account_required
from contract import pagination
from contract.errors import ApiError
from contract.http_protocol import ABORT
from wallets import ledger_export, money, rates
from wallets.automatic_top_ups import terms
from wallets.entry_words import words
from wallets.models import EntryKind, LedgerEntry, TopUp
from wallets.wallet_forms import ALL_BUT_CHARGES, KindFilter, LowBalanceForm, VoucherForm

PAGE_LENGTH = 50
OF_TOP_UPS = (EntryKind.TOPUP, EntryKind.TOPUP_REFUND, EntryKind.DISPUTE, EntryKind.DISPUTE_WON)


@require_safe
@vary_on_headers("HX-Request", "HX-History-Restore-Request")
@account_required
def wallet(request):
    """htmx asks for the next entries alone; without it the link opens them as a page."""
    if request.GET.get("cursor") and request.htmx and not request.htmx.history_restore_request:
        return render(request, "wallets/_entries.html", _ledger(request))
    return wallet_page(request)


@require_safe
@never_cache
@account_required
def export(request):
    """The whole ledger as a file; the wallet page, which says so, if too many are on their way already."""
    headers = {"Content-Disposition": f'attachment; filename="beatra-ledger-{timezone.now():%Y-%m-%d}.csv"'}
    abort = getattr(request, "scope", {}).get("state", {}).get(ABORT, _nothing)
    try:
        return ledger_export.Export(request.account.wallet.pk, abort=abort, headers=headers)
    except ledger_export.TooManyExports:
        messages.error(request, "Your ledger is being downloaded already. Wait for that to end, or stop it, then try again.")
        return wallet_page(request, status=429)


def _nothing():
    """Ends no connection, under a server that has none."""


def wallet_page(request, *, status=200, **forms):
    """The page with these `forms` in place of empty ones."""
    account = request.account
    rate = rates.in_force(account.wallet)
    shown = {
        "account": account,
        "wallet": account.wallet,
        "rate": rate,
        "available_usd": None if rate is None else money.usd_reference(account.wallet.available, rate=rate),
        "voucher_form": VoucherForm(),
        "auto": terms.of(account.wallet),
        "low_balance_form": LowBalanceForm(wallet=account.wallet),
        **_ledger(request),
        **forms,
    }
    return render(request, "wallets/wallet.html", shown, status=status)


def _ledger(request):
    kinds = KindFilter(request.GET)
    cursor = request.GET.get("cursor", "")
    try:
        page = pagination.page(_entries(request.account.wallet, kind=kinds.chosen), cursor=cursor, limit=PAGE_LENGTH, ordering=["-seq"])
    except ApiError as error:
        raise Http404 from error
    ids = [_top_up_id(entry) for entry in page.items]
    automatic = set(TopUp.objects.filter(pk__in=filter(None, ids), kind=TopUp.Kind.AUTO).values_list("pk", flat=True))
    return {
        "kinds": kinds,
        "cursor": cursor,
        "entries": [
            (entry, words(entry.kind, is_automatic=top_up_id in automatic), top_up_id)
            for entry, top_up_id in zip(page.items, ids, strict=True)
        ],
        "older": kinds.query(cursor=page.next_cursor) if page.next_cursor else "",
    }


def _top_up_id(entry):
    """The top-up that an entry is about, which its reference names."""
    return entry.reference.split(":")[1] if entry.kind in OF_TOP_UPS else ""


def _entries(wallet, *, kind):
    entries = LedgerEntry.objects.filter(wallet=wallet).select_related("usage_record")
    entries = entries.only(
        "seq", "kind", "reference", "amount", "balance_after", "created_at", "usage_record__model", "usage_record__model_asked"
    )
    if kind == ALL_BUT_CHARGES:
        return entries.exclude(kind=EntryKind.CHARGE)
    return entries.filter(kind=kind) if kind else entries
