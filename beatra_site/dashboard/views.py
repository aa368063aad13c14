"""Home, usage and receipts: what a customer opens to see where the credits went."""

from allauth.account.models import EmailAddress
from django.conf import settings
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import account_required
from beatra_site.dashboard.clauses import clause_of
from beatra_site.dashboard.receipt import receipt_of
from contract.errors import ApiError
from contract.pagination import page
from keys.models import ApiKey
from wallets.models import UsageRecord

LAST_CALLS = 5
PAGE_SIZE = 50


@require_safe
def home(request):
    """The account's home; for strangers what beatra is; staff without an account go on to `/admin/`."""
    return _home(request) if request.user.is_authenticated else render(request, "dashboard/landing.html", _curl())


@account_required
def _home(request):
    wallet = request.account.wallet
    return render(
        request,
        "dashboard/home.html",
        {
            "account": request.account,
            "wallet": wallet,
            "calls": _rows(UsageRecord.objects.filter(wallet=wallet).order_by("-created_at", "-id")[:LAST_CALLS]),
            "key": ApiKey.objects.of_account(request.account).active().order_by("-created_at", "-id").first(),
            "is_confirmed": EmailAddress.objects.filter(user=request.user, verified=True).exists(),
            **_curl(),
        },
    )


@require_safe
@account_required
def usage(request):
    """Every call, newest first. htmx asks for the next rows alone; without it the link opens them as a page."""
    records = UsageRecord.objects.filter(wallet=request.account.wallet)
    try:
        listed = page(records, cursor=request.GET.get("cursor"), limit=PAGE_SIZE)
    except ApiError as error:
        raise Http404 from error
    template = "dashboard/_usage_rows.html" if request.htmx else "dashboard/usage.html"
    return render(request, template, {"calls": _rows(listed.items), "next_cursor": listed.next_cursor, "cursor": request.GET.get("cursor")})


@require_safe
@account_required
def receipt(request, usage_id):
    record = UsageRecord.objects.filter(wallet=request.account.wallet, pk=usage_id).first()
    if record is None:
        raise Http404
    return render(request, "dashboard/receipt.html", {"receipt": receipt_of(record), "record": record})


def _rows(records):
    return [(record, clause_of(record)) for record in records]


def _curl():
    return {"base_url": f"{settings.SITE_URL}/v1"}
