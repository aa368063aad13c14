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
    EntryKind.DISPUTE_WON: "Disputed payment kept",
    EntryKind.VOUCHER: "Voucher",
    EntryKind.WELCOME: "Welcome credits",
    EntryKind.GRANT: "Credits from us",
    EntryKind.ADJUSTMENT: "Adjustment",
    EntryKind.CLOSURE: "Account closed",
}
"""In the order of a filter."""
