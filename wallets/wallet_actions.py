"""What a customer does on the wallet page: redeem a voucher, choose when to be mailed."""

from allauth.core import ratelimit
from django.contrib import messages
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from accounts.access import account_required
from wallets import low_balance as low_balances
from wallets.models import WalletBusyError
from wallets.money import group
from wallets.views import wallet_page
from wallets.vouchers import vouchers
from wallets.wallet_forms import LowBalanceForm, VoucherForm


@require_http_methods(["GET", "HEAD", "POST"])
@account_required
def redeem_voucher(request):
    """Every try counts towards the limits of its user and of its address, also one that succeeds.

    A code can't be guessed (wallets/vouchers/spelling.py); the limits keep somebody from asking the database all day. While Redis is
    away each process counts for itself (beatra_site/forgiving_cache.py).
    """
    if request.method != "POST":
        return redirect("wallets:wallet")
    form = VoucherForm(request.POST)
    if not form.is_valid():
        return wallet_page(request, status=422, voucher_form=form)
    if not ratelimit.consume(request, action="redeem_voucher"):
        form.add_error("code", "Too many codes were tried. Wait an hour, then try again.")
        return wallet_page(request, status=429, voucher_form=form)
    try:
        entry = vouchers.redeem(request.account, code=form.cleaned_data["code"], actor=request.user)
    except vouchers.VoucherError as refusal:
        form.add_error("code", str(refusal))
        return wallet_page(request, status=409, voucher_form=form)
    except WalletBusyError as busy:
        form.add_error("code", str(busy))
        return wallet_page(request, status=503, voucher_form=form)
    messages.success(request, f"The voucher is redeemed: {group(entry.amount)} credits are in your wallet.")
    return redirect("wallets:wallet")


@require_http_methods(["GET", "HEAD", "POST"])
@account_required
def low_balance(request):
    """When to be mailed, or not at all."""
    if request.method != "POST":
        return redirect("wallets:wallet")
    wallet = request.account.wallet
    form = LowBalanceForm(request.POST, wallet=wallet)
    if not form.is_valid():
        return wallet_page(request, status=422, low_balance_form=form)
    credits = form.cleaned_data["credits"]
    low_balances.set_threshold(wallet, credits=credits, actor=request.user)
    if credits is None:
        messages.success(request, "You get no email about a low balance.")
    else:
        messages.success(request, f"You get an email when your balance is below {group(credits)} credits.")
    return redirect("wallets:wallet")
