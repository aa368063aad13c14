"""What an entry of the ledger is called where its customer reads it."""

from __future__ import annotations

from typing import Final

from wallets.models import EntryKind

WORDS: Final[dict[str, str]] = {
    EntryKind.CHARGE: "Charge",
    EntryKind.REFUND: "Refund of a charge",
    EntryKind.TOPUP: "Credits bought",
    EntryKind.TOPUP_REFUND: "Payment refunded",
    EntryKind.DISPUTE: "Payment disputed",
    EntryKind.DISPUTE_WON: "Dispute ended: credits back",
    EntryKind.VOUCHER: "Voucher",
    EntryKind.WELCOME: "Welcome credits",
    EntryKind.GRANT: "Credits from us",
    EntryKind.ADJUSTMENT: "Adjustment",
    EntryKind.CLOSURE: "Account closed",
}
"""In the order of a filter."""


def words(kind: str, *, is_automatic: bool) -> str:
    """Of an entry of that kind; `is_automatic` where it is about an automatic top-up."""
    return "Credits bought automatically" if kind == EntryKind.TOPUP and is_automatic else WORDS[kind]
