"""The one door for credits that come or go outside a call: welcome, grants, refunds, adjustments, top-ups, closure.

Charges of calls are written by `settle` (wallets/statements/settle.py), under the same rules: wallet locked first, one entry with a
unique reference, the balance changed in the same transaction.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import IntegrityError, transaction

from accounts.models import User
from wallets.models import LedgerEntry, UsageRecord, Wallet
from wallets.money import as_text, credits


class ReferenceTakenError(Exception):
    """The reference belongs to another entry: another wallet, kind or amount."""


class NotEnoughCreditsError(Exception):
    """Taking so much would leave less than calls in flight hold, or less than nothing. `available_credits` could be taken."""

    def __init__(self, available_credits: Decimal) -> None:
        super().__init__(f"only {as_text(available_credits)} credits are available")
        self.available_credits = available_credits


def credit(
    wallet: Wallet | int,
    *,
    kind: str,
    amount: Decimal,
    reference: str,
    actor: User | None = None,
    reason: str = "",
    usage_record: UsageRecord | None = None,
    may_overdraw: bool = False,
) -> LedgerEntry:
    """Change a wallet's balance by `amount` signed credits: one entry, in the caller's transaction (it must be in one).

    `reference` names the cause: given again for the same wallet, kind and amount, nothing happens and the entry that is there
    is returned; for anything else ReferenceTakenError is raised. A negative amount larger than what is available raises
    NotEnoughCreditsError, unless it `may_overdraw` the wallet: what a payment provider took back is gone, whatever is left.
    `amount` has four places at most and is not 0; `actor` is who did it, none for the system itself.
    """
    if amount == 0 or credits(amount) != amount:
        raise ValueError(f"no amount to enter: {amount} credits")
    locked = Wallet.objects.lock(wallet if isinstance(wallet, int) else wallet.pk)
    if (entry := _earlier(locked, kind=kind, amount=amount, reference=reference)) is not None:
        return entry
    if amount < 0 and not may_overdraw and amount + locked.available < 0:
        raise NotEnoughCreditsError(max(locked.available, Decimal(0)))
    locked.balance += amount
    locked.entries += 1
    try:
        with transaction.atomic():
            entry = LedgerEntry.objects.create(
                wallet=locked,
                seq=locked.entries,
                kind=kind,
                amount=amount,
                balance_after=locked.balance,
                reference=reference,
                actor=actor,
                reason=reason,
                usage_record=usage_record,
            )
    except IntegrityError:
        # Only another wallet can have used the reference since the look above
        _earlier(locked, kind=kind, amount=amount, reference=reference)
        raise
    locked.save(update_fields=["balance", "entries"])
    return entry


def _earlier(wallet: Wallet, *, kind: str, amount: Decimal, reference: str) -> LedgerEntry | None:
    entry = LedgerEntry.objects.filter(reference=reference).first()
    if entry is not None and (entry.wallet_id, entry.kind, entry.amount) != (wallet.pk, kind, amount):
        raise ReferenceTakenError(reference)
    return entry
