"""The page of automatic top-ups: the card, when it is charged and how much, and what happened last."""

from contextlib import suppress

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import account_required
from wallets.automatic_top_ups import cards, terms
from wallets.automatic_top_ups.forms import AutoTopUpForm
from wallets.models import AutoTopUp, TopUp, WalletBusyError
from wallets.top_ups import topups


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@account_required
def auto_top_up(request):
    """What is set; sent, it is saved, and with `on` the card may be charged from now on."""
    wallet = request.account.wallet
    if request.method == "POST":
        return _save(request, wallet)
    if request.GET.get("saved"):
        return _saved(request, wallet)
    return _page(request, AutoTopUpForm.of(terms.of(wallet)))


def _save(request, wallet):
    form = AutoTopUpForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    switch_on = "on" in request.POST
    try:
        auto = terms.save(wallet, **form.cleaned_data, switch_on=switch_on, actor=request.user)
    except terms.NotPossibleError as error:
        form.add_error(None, str(error))
        return _page(request, form, status=409)
    messages.success(request, "Automatic top-ups are on." if switch_on and auto.is_on else "Saved.")
    return redirect("wallets:auto_top_up")


def _saved(request, wallet):
    """Back from the provider, whose webhook may come later, or not at all: it is asked."""
    before = terms.of(wallet)
    if before.setup_id:
        with suppress(WalletBusyError):
            cards.ask_of(wallet)
    auto = terms.of(wallet)
    if auto.has_card and not auto.setup_id:
        allow = " It is not charged before you allow it below." if auto.off_reason == AutoTopUp.OffReason.NEW_CARD else ""
        messages.success(request, f"Your card is saved: {auto.card}.{allow}")
    else:
        messages.info(request, "Your card is being saved. Load this page again in a moment.")
    return redirect("wallets:auto_top_up")


@require_POST
@account_required
def enter_card(request):
    """Sends the customer to the provider's page for a card."""
    try:
        url = cards.enter(request.account.wallet)
    except topups.TopUpError as error:
        messages.error(request, str(error))
        return redirect("wallets:auto_top_up")
    return redirect(url)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@account_required
def remove_card(request):
    """Asks once, then has the card forgotten."""
    wallet = request.account.wallet
    auto = terms.of(wallet)
    if request.method != "POST" and auto.has_card:
        return render(request, "wallets/remove_card.html", {"auto": auto})
    if request.method == "POST" and cards.remove(wallet, actor=request.user):
        messages.success(request, "The card is removed, and automatic top-ups are off.")
    else:
        messages.info(request, "There is no card to remove.")
    return redirect("wallets:auto_top_up")


@require_POST
@account_required
def switch_off(request):
    """At once."""
    terms.switch_off(request.account.wallet, reason=AutoTopUp.OffReason.CUSTOMER, actor=request.user)
    messages.success(request, "Automatic top-ups are off.")
    return redirect("wallets:auto_top_up")


def _page(request, form, *, status=200):
    wallet, now = request.account.wallet, timezone.now()
    auto = terms.of(wallet)
    charged = terms.charged_usd(wallet, now=now)
    shown = {
        "account": request.account,
        "wallet": wallet,
        "auto": auto,
        "form": form,
        "is_set_up": topups.is_set_up(),
        "is_elsewhere": auto.has_card and topups.is_set_up() and not terms.is_chargeable(auto),
        "charged_usd": charged,
        "left_usd": max(auto.monthly_ceiling_usd - charged, 0),
        "is_full": auto.is_on and charged + auto.amount_usd > auto.monthly_ceiling_usd,
        "next_month": terms.month_after(now),
        "waits": auto.is_on and auto.next_try_at > now and (auto.failures > 0 or terms.barred_until(wallet, now=now) is not None),
        "last": TopUp.objects.filter(wallet=wallet, kind=TopUp.Kind.AUTO).order_by("-created_at", "-id")[:5],
    }
    return render(request, "wallets/auto_top_up.html", shown, status=status)
