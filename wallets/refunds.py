"""Money back: every refund of a call or a task goes through here, and none gives more than was charged."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction
from django.db.models import F

from accounts.models import User
from wallets import budgets, ledger
from wallets.models import EntryKind, LedgerEntry, UsageRecord, Wallet
from wallets.money import is_amount


@transaction.atomic
def refund(
    usage_record: UsageRecord | str, *, credits: Decimal, reference: str, actor: User | None = None, reason: str = ""
) -> LedgerEntry | None:
    """Give back `credits` (above zero, four places) of a usage record's charge, or as many of them as are left to give.

    One ledger entry, the record's `refunded_credits` and its key's spend caps, in one transaction, the caller's where there is one.
    Returns the entry, or None when nothing is left, as for a call that was not charged. `reference` names the cause: given again for
    the same record, nothing moves and the entry that is there is returned; for anything else ledger.ReferenceTakenError is raised.
    Raises UsageRecord.DoesNotExist for an unknown id, OperationalError when the wallet is locked for too long.
    """
    if not is_amount(credits) or credits == 0:
        raise ValueError(f"no refund: {credits} credits")
    record = UsageRecord.objects.get(pk=usage_record) if isinstance(usage_record, str) else usage_record
    Wallet.objects.lock(record.wallet_id)
    if (entry := LedgerEntry.objects.filter(reference=reference).first()) is not None:
        if (entry.kind, entry.usage_record_id) != (EntryKind.REFUND, record.pk):
            raise ledger.ReferenceTakenError(reference)
        return entry
    amount = min(credits, left(record))
    if amount == 0:
        return None
    entry = ledger.credit(
        record.wallet_id, kind=EntryKind.REFUND, amount=amount, reference=reference, actor=actor, reason=reason, usage_record=record
    )
    UsageRecord.objects.filter(pk=record.pk).update(refunded_credits=F("refunded_credits") + amount)
    budgets.give_back(record, credits=amount)
    return entry


def left(record: UsageRecord) -> Decimal:
    """Credits of the charge that were not given back yet, as the database has them now."""
    found: Decimal = UsageRecord.objects.values_list(F("charged_credits") - F("refunded_credits"), flat=True).get(pk=record.pk)
    return found
