"""The pages of buying credits: the form, the way back from the payment, what was bought, and its receipts.

None of them credits anything: only the provider's word does (wallets/top_ups/webhooks.py).
"""

import time

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.access import account_required
from accounts.models import Account
from accounts.verified import has_verified_address
from contract import pagination
from contract.errors import ApiError
from wallets import rates
from wallets.entry_words import words
from wallets.models import LedgerEntry, TopUp, WalletBusyError
from wallets.top_ups import cancelling, topups
from wallets.top_ups.forms import TopUpForm

PAGE_LENGTH = 50
# How long after its opening the page of a payment asks how often, in seconds. Then it waits for a click.
_ASKS = ((120, 2), (900, 10))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@account_required
def add(request):
    """The form; sent, it leads on to the payment provider's checkout."""
    account, rate = request.account, rates.in_force(request.account.wallet)
    refusal, wants_verification = _refusal(account, rate=rate)
    shown = {"account": account, "wallet": account.wallet, "rate": rate, "refusal": refusal, "wants_verification": wants_verification}
    if refusal or rate is None:
        return render(request, "wallets/add.html", shown, status=409 if request.method == "POST" else 200)
    if request.method != "POST":
        return render(request, "wallets/add.html", {**shown, "form": TopUpForm(rate=rate)})
    form = TopUpForm(request.POST, rate=rate)
    if not form.is_valid():
        return render(request, "wallets/add.html", {**shown, "form": form}, status=422)
    try:
        top_up = topups.start(
            account.wallet, amount_usd=form.amount_usd, actor=request.user, submission=str(form.cleaned_data["submission"])
        )
    except (topups.ProviderAwayError, topups.FormReusedError) as refusal:
        # Sent again, it is another top-up: the one of this form has failed, or was of another amount
        again = TopUpForm(rate=rate).initial["submission"]
        form = TopUpForm({**request.POST.dict(), "submission": again}, rate=rate)
        status = 503 if isinstance(refusal, topups.ProviderAwayError) else 409
        return render(request, "wallets/add.html", {**shown, "form": form, "failure": refusal}, status=status)
    except topups.TopUpError as refusal:
        return render(request, "wallets/add.html", {**shown, "form": form, "failure": refusal}, status=409)
    except WalletBusyError as busy:
        return render(request, "wallets/add.html", {**shown, "form": form, "failure": busy}, status=503)
    return redirect(top_up.checkout_url) if is_payable(top_up) else redirect("wallets:top_up", top_up.pk)


@require_safe
@account_required
def top_up_list(request):
    """Everything that was bought, or begun, the newest first."""
    try:
        page = pagination.page(request.account.wallet.top_ups.all(), cursor=request.GET.get("cursor"), limit=PAGE_LENGTH)
    except ApiError as error:
        raise Http404 from error
    rows = [(top_up, is_payable(top_up)) for top_up in page.items]
    return render(request, "wallets/top_ups.html", {"rows": rows, "next_cursor": page.next_cursor, "cursor": request.GET.get("cursor")})


@require_safe
@never_cache
@account_required
def receipt(request, top_up_id):
    """One top-up, to print: what was paid, what it gave, and what was taken back."""
    top_up = _found(request, top_up_id)
    shown = {
        "top_up": top_up,
        "is_payable": is_payable(top_up),
        "disputes": top_up.disputes.order_by("id"),
        "entries": [(entry, words(entry.kind, is_automatic=top_up.kind == TopUp.Kind.AUTO)) for entry in _entries(top_up)],
    }
    return render(request, "wallets/top_up.html", shown)


@require_POST
@account_required
def cancel(request, top_up_id):
    """Drops a checkout that is not paid."""
    try:
        top_up = cancelling.cancel(_found(request, top_up_id))
    except (topups.ProviderAwayError, WalletBusyError):
        messages.error(request, "The payment provider can't be reached, so the checkout is still open. Try again in a few minutes.")
    else:
        if top_up.status == TopUp.Status.EXPIRED:
            messages.success(request, "The checkout is cancelled. Nothing was charged.")
        elif top_up.status == TopUp.Status.PAID:
            messages.info(request, "It was paid before it could be cancelled, and the credits are in your wallet.")
        else:
            messages.info(request, "It can't be cancelled any more.")
    return redirect("wallets:top_ups")


@require_safe
@never_cache
@vary_on_headers("HX-Request")
@account_required
def returned(request, top_up_id):
    """Where the customer comes back to from the checkout, paid or not. It waits for the provider's word, by htmx or by a link."""
    top_up = _found(request, top_up_id)
    now = int(time.time())
    asked = request.GET.get("since", "")
    since = min(int(asked), now) if asked.isascii() and asked.isdecimal() and len(asked) < 16 else now
    waits = top_up.status == TopUp.Status.PENDING
    every_seconds = next((every for until, every in _ASKS if now - since < until), 0) if waits else 0
    seen = f"{top_up.status}.{every_seconds}.{'on its way' if top_up.submitted_at else ''}"
    if request.htmx and request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    shown = {
        "top_up": top_up,
        "wallet": request.account.wallet,
        "is_payable": is_payable(top_up),
        "is_cancelled": request.GET.get("cancelled") == "1",
        "since": since,
        "every_seconds": every_seconds,
        "seen": seen,
    }
    return render(request, "wallets/_payment.html" if request.htmx else "wallets/returned.html", shown)


def is_payable(top_up):
    """Whether its checkout still waits for its customer."""
    waits = top_up.status == TopUp.Status.PENDING and top_up.submitted_at is None
    return waits and bool(top_up.checkout_url) and top_up.expires_at > timezone.now()


def _refusal(account, *, rate):
    """Why no credits can be bought now, for the page to say before somebody chooses an amount; and whether an address has to be
    confirmed for it. `topups.start` has the last word."""
    if account.status != Account.Status.ACTIVE:
        return f"This account is {account.status}: it can't buy credits.", False
    if not topups.is_set_up() or rate is None:
        return "Credits can't be bought here: no payment provider is set up.", False
    if not has_verified_address(account.user_id):
        return "Confirm your email address first: the receipts go there.", True
    return "", False


def _found(request, top_up_id):
    top_up = request.account.wallet.top_ups.filter(pk=top_up_id).first()
    if top_up is None:
        raise Http404
    return top_up


def _entries(top_up):
    """Its entries in the ledger, oldest first: by the references that topups.py and take_backs.py give them."""
    begun = (Q(reference__startswith=f"{cause}:{top_up.pk}:") for cause in ("topup_refund", "dispute", "dispute_won"))
    named = Q(reference=f"topup:{top_up.pk}")
    for one in begun:
        named |= one
    return LedgerEntry.objects.filter(named, wallet=top_up.wallet_id).order_by("seq")
