"""Home, usage and receipts: what a customer opens to see where the credits went."""

from contextlib import contextmanager

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import push_url, reselect, retarget
from psycopg.errors import QueryCanceled

from accounts.access import account_required
from accounts.pending_code import pending_code
from accounts.verified import has_verified_address
from beatra_site.dashboard.clauses import clause_of
from beatra_site.dashboard.receipt import receipt_of
from beatra_site.dashboard.usage_filters import UsageFilters, query_of
from contract.errors import ApiError
from contract.pagination import page
from keys.models import ApiKey
from wallets.models import UsageRecord
from wallets.models.usage import Total

LAST_CALLS = 5
PAGE_SIZE = 50
# Of the database, for one page of calls
MOST_TIME = "5s"
MOST_SUMMED = 10_000
# The same for the sum of all that match, which a page can do without
MOST_TIME_OF_SUM = "1s"


@require_safe
def home(request):
    """The account's home; for strangers what beatra is; staff without an account go on to `/admin/`."""
    return _home(request) if request.user.is_authenticated else _landing(request)


@never_cache
def _landing(request):
    return render(request, "dashboard/landing.html", {"pending": pending_code(request), **_curl()})


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
            "is_confirmed": has_verified_address(request.user.pk),
            **_curl(),
        },
    )


@require_safe
@vary_on_headers("HX-Request", "HX-History-Restore-Request")
@account_required
def usage(request):
    """The calls that the filters let in, newest first. htmx asks for the next rows alone; without it the link opens them as a page."""
    filters = UsageFilters(request.GET, account=request.account)
    cursor = request.GET.get("cursor", "")
    shown = {"filters": filters, "cursor": cursor}
    listed = _listed(filters, cursor=cursor) if filters.is_valid() else None
    if listed:
        shown |= {"listed": listed, "calls": _rows(listed.items), "query": filters.query(), "here": filters.query(cursor=cursor)}
        if listed.next_cursor:
            shown["older"] = filters.query(cursor=listed.next_cursor)
            if not cursor:
                shown["total"] = _total(filters)
        elif not cursor:
            shown["total"] = Total.of(listed.items)
    if cursor and request.htmx and not request.htmx.history_restore_request and listed:
        return render(request, "dashboard/_usage_rows.html", shown)
    response = render(request, "dashboard/usage.html", shown)
    if not request.htmx:
        return response
    # also where the next rows were asked for and there are none to give: the form says why
    return reselect(retarget(push_url(response, filters.address()), "#usage"), "#usage")


@require_safe
@account_required
def receipt(request, usage_id):
    record = UsageRecord.objects.filter(wallet=request.account.wallet, pk=usage_id).first()
    if record is None:
        raise Http404
    return render(request, "dashboard/receipt.html", {"receipt": receipt_of(record), "record": record, "back": query_of(request.GET)})


def _listed(filters, *, cursor):
    """The page at `cursor`; none, and why on the form, where two filters that each let in very many calls share next to none."""
    try:
        with _within(MOST_TIME):
            return page(filters.records(), cursor=cursor, limit=PAGE_SIZE)
    except ApiError as error:
        raise Http404 from error
    except QueryTookTooLong:
        filters.add_error("period", "There are too many calls to look through. Choose a shorter period.")


def _total(filters):
    """Of the calls that match, as far as they are counted; none where that takes too long."""
    try:
        with _within(MOST_TIME_OF_SUM):
            return filters.records().total(most=MOST_SUMMED)
    except QueryTookTooLong:
        return None


class QueryTookTooLong(Exception):
    """The database did not get done in the time it had."""


@contextmanager
def _within(time):
    try:
        with transaction.atomic(), connection.cursor() as settings_of_transaction:
            settings_of_transaction.execute("select set_config('statement_timeout', %s, true)", [time])
            yield
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise QueryTookTooLong from error


def _rows(records):
    return [(record, clause_of(record)) for record in records]


def _curl():
    return {"base_url": f"{settings.SITE_URL}/v1"}
