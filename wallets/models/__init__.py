"""The tables of money."""

from .audit import AuditRun
from .process import Process
from .usage import PAID_CLAUSES, UsageClause, UsageRecord, UsageStatus
from .wallet import CreditsPerUsdRate, EntryKind, LedgerEntry, Wallet

__all__ = [
    "PAID_CLAUSES",
    "AuditRun",
    "CreditsPerUsdRate",
    "EntryKind",
    "LedgerEntry",
    "Process",
    "UsageClause",
    "UsageRecord",
    "UsageStatus",
    "Wallet",
]
