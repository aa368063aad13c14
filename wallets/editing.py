"""What staff change in wallets: one function per change, in one transaction with its event."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts import events
from accounts.models import User
from wallets import ledger, refunds
from wallets.models import CreditsPerUsdRate, LedgerEntry, UsageRecord, Wallet
from wallets.money import as_text


@transaction.atomic
def move_credits(wallet: Wallet, *, kind: str, amount: Decimal, submission: str, actor: User, reason: str) -> LedgerEntry:
    """Give credits (a grant) or correct a balance either way (an adjustment): `amount` signed credits, and why.

    `submission` names the form: sent again with the same values it is the same entry and no second event. Raises
    ledger.ReferenceTakenError when it was sent with other values, ledger.NotEnoughCreditsError when less is available.
    """
    reference = f"{kind}:{submission}"
    Wallet.objects.lock(wallet.pk)
    repeated = LedgerEntry.objects.filter(reference=reference).exists()
    entry = ledger.credit(wallet, kind=kind, amount=amount, reference=reference, actor=actor, reason=reason)
    if not repeated:
        account = Wallet.objects.select_related("account").get(pk=wallet.pk).account
        events.record("credits.moved", account=account, actor=actor, credits=as_text(amount), reference=reference, reason=reason)
    return entry


@transaction.atomic
def refund_call(record: UsageRecord, *, credits: Decimal, submission: str, actor: User, reason: str) -> LedgerEntry | None:
    """Give back `credits` of what a call was charged, or as many as are left, and why. None when nothing is left.

    `submission` names the form: sent again it is the same entry and no second event.
    """
    reference = _refund_reference(record, submission)
    account = Wallet.objects.lock(record.wallet_id).account
    repeated = was_refunded(record, submission=submission)
    entry = refunds.refund(record, credits=credits, reference=reference, actor=actor, reason=reason)
    if entry is not None and not repeated:
        events.record("credits.refunded", account=account, actor=actor, credits=as_text(entry.amount), reference=reference, reason=reason)
    return entry


def was_refunded(record: UsageRecord, *, submission: str) -> bool:
    """Whether the form `submission` was sent before and is a refund of this call."""
    return LedgerEntry.objects.filter(reference=_refund_reference(record, submission)).exists()


def _refund_reference(record: UsageRecord, submission: str) -> str:
    return f"refund:{record.pk}:{submission}"


@transaction.atomic
def limit_calls(wallet: Wallet, *, max_in_flight: int, actor: User, reason: str = "") -> bool:
    """From now on at most `max_in_flight` calls of the wallet run at the same time. One column only: nothing else of it changes.

    Returns whether it was another figure before.
    """
    before = Wallet.objects.lock(wallet.pk)
    if before.max_in_flight == max_in_flight:
        return False
    Wallet.objects.filter(pk=wallet.pk).update(max_in_flight=max_in_flight)
    data = {"before": before.max_in_flight, "after": max_in_flight, **({"reason": reason} if reason else {})}
    events.record("wallet.limit_changed", account=before.account, actor=actor, **data)
    return True


@transaction.atomic
def set_rate(wallet: Wallet | None, *, credits_per_usd: Decimal, effective_from: datetime, actor: User, reason: str) -> CreditsPerUsdRate:
    """From `effective_from` on, so many credits show as one USD: a new version, for one wallet or, with none, for the site."""
    rate = CreditsPerUsdRate.objects.create(
        wallet=wallet, value=credits_per_usd, effective_from=effective_from, author=actor, reason=reason
    )
    account = wallet.account if wallet else None
    events.record("rate.added", account=account, actor=actor, credits_per_usd=str(credits_per_usd), reason=reason)
    return rate
