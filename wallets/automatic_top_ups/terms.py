"""Automatic top-ups as their customer sets them: threshold, amount and monthly ceiling, on and off.

Charging is in charging.py, the card in cards.py, both beside this. Every change here locks the wallet first and is an event.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from accounts import events
from accounts.models import Account, User
from contract.limits import FAILED_AUTO_TOP_UPS_A_DAY
from wallets import rates
from wallets.automatic_top_ups import outcomes
from wallets.models import AutoTopUp, TopUp, Wallet
from wallets.money import as_text
from wallets.top_ups import payments, topups

MOST_CEILING_USD: Final = Decimal(1_000_000)
_CEILING_IN_AMOUNTS: Final = 5
_DAY: Final = timedelta(days=1)


class NotPossibleError(Exception):
    """Automatic top-ups can't be switched on. The text is for the customer."""


def proposed(wallet: Wallet) -> AutoTopUp:
    """What a customer who has set nothing yet is shown, not saved: the second preset, up to five times a month, below TOPUP_MIN_USD."""
    amounts = topups.presets() or [settings.TOPUP_MIN_USD]
    amount = amounts[min(1, len(amounts) - 1)]
    rate = rates.in_force(wallet) or Decimal(1)
    threshold = topups.credits_for(settings.TOPUP_MIN_USD, rate=rate)
    return AutoTopUp(wallet=wallet, threshold_credits=threshold, amount_usd=amount, monthly_ceiling_usd=amount * _CEILING_IN_AMOUNTS)


def of(wallet: Wallet) -> AutoTopUp:
    """The wallet's settings, or what is proposed (without a primary key)."""
    return AutoTopUp.objects.filter(wallet=wallet).first() or proposed(wallet)


def locked(wallet: Wallet) -> AutoTopUp:
    """The wallet's settings, made if there are none, until the caller's transaction ends; the wallet is locked."""
    found = Wallet.objects.lock(wallet.pk)
    auto = AutoTopUp.objects.filter(wallet=found).first()
    if auto is None:
        auto = proposed(found)
        auto.save()
    return auto


@transaction.atomic
def save(
    wallet: Wallet, *, threshold_credits: Decimal, amount_usd: Decimal, monthly_ceiling_usd: Decimal, switch_on: bool, actor: User
) -> AutoTopUp:
    """Set a wallet's threshold (credits), amount and monthly ceiling (USD), and with `switch_on` allow the card to be charged from now on.

    Switched on, failures are forgotten. Raises NotPossibleError, whose text is for the customer, and then nothing is changed.
    """
    auto = locked(wallet)
    account = Account.objects.get(pk=auto.wallet.account_id)
    if switch_on and account.status != Account.Status.ACTIVE:
        raise NotPossibleError(f"This account is {account.status}: its card can't be charged.")
    if switch_on and not is_chargeable(auto):
        raise NotPossibleError("Save a card first.")
    if switch_on and not auto.is_on and (until := barred_until(auto.wallet, now=timezone.now())) is not None:
        raise NotPossibleError(f"Too many payments have failed. Try again after {until:%Y-%m-%d %H:%M} UTC.")
    before = _shown(auto)
    auto.threshold_credits, auto.amount_usd, auto.monthly_ceiling_usd = threshold_credits, amount_usd, monthly_ceiling_usd
    if (after := _shown(auto)) != before:
        events.record("auto_top_up.changed", account=account, actor=actor, **after)
    if switch_on and not auto.is_on:
        auto.is_on, auto.off_reason, auto.switched_at, auto.failures = True, "", timezone.now(), 0
        events.record("auto_top_up.on", account=account, actor=actor, card=auto.card, **after)
    if not auto.failures:
        # Another ceiling may have room again this month
        auto.next_try_at = timezone.now()
    auto.save()
    return auto


@transaction.atomic
def switch_off(wallet: Wallet, *, reason: AutoTopUp.OffReason, actor: User | None, note: str = "") -> bool:
    """Charge the card no more. A payment that is under way is not called back. False when it was off."""
    Wallet.objects.lock(wallet.pk)
    auto = AutoTopUp.objects.filter(wallet=wallet).first()
    return auto is not None and outcomes.switch_off(auto, reason=reason, actor=actor, note=note)


def is_chargeable(auto: AutoTopUp) -> bool:
    """Whether the saved card is one of the provider that payments go to now."""
    provider = payments.configured()
    return auto.has_card and provider is not None and auto.provider == provider.name


def month_of(now: datetime) -> datetime:
    """When the calendar month (UTC) of a time began."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(now: datetime) -> datetime:
    """When the next calendar month (UTC) begins."""
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return month_of(now).replace(year=year, month=month)


def charged_usd(wallet: Wallet, *, now: datetime) -> Decimal:
    """USD of this month's automatic top-ups that are paid or pending, what was refunded of them too: what counts against the ceiling.

    A top-up belongs to the month in which it was begun.
    """
    counted = TopUp.objects.filter(
        wallet=wallet,
        kind=TopUp.Kind.AUTO,
        status__in=[TopUp.Status.PAID, TopUp.Status.PENDING],
        created_at__gte=month_of(now),
        created_at__lt=month_after(now),
    )
    return counted.aggregate(total=Sum("amount_usd"))["total"] or Decimal(0)


def barred_until(wallet: Wallet, *, now: datetime) -> datetime | None:
    """Until when no saved card is charged, because too many payments have failed (contract/limits.py); None if one may be.

    Counted from the payments themselves: what its customer switches or which card he saves does not start it anew.
    """
    failed = TopUp.objects.filter(
        wallet=wallet, kind=TopUp.Kind.AUTO, status=TopUp.Status.FAILED, created_at__gt=now - _DAY, created_at__lte=now
    )
    newest = list(failed.order_by("-created_at").values_list("created_at", flat=True)[:FAILED_AUTO_TOP_UPS_A_DAY])
    return newest[-1] + _DAY if len(newest) == FAILED_AUTO_TOP_UPS_A_DAY else None


def _shown(auto: AutoTopUp) -> dict[str, str]:
    return {
        "threshold_credits": as_text(auto.threshold_credits),
        "amount_usd": f"{auto.amount_usd:.2f}",
        "monthly_ceiling_usd": f"{auto.monthly_ceiling_usd:.2f}",
    }
