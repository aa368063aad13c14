"""The tables of money."""

from .audit import AuditRun
from .budget import BudgetKey, Cap, CapWindow
from .idempotency import IdempotencyKey
from .process import Process
from .usage import PAID_CLAUSES, UsageClause, UsageRecord, UsageStatus
from .wallet import CreditsPerUsdRate, EntryKind, LedgerEntry, Wallet

__all__ = [
    "PAID_CLAUSES",
    "AuditRun",
    "BudgetKey",
    "Cap",
    "CapWindow",
    "CreditsPerUsdRate",
    "EntryKind",
    "IdempotencyKey",
    "LedgerEntry",
    "Process",
    "UsageClause",
    "UsageRecord",
    "UsageStatus",
    "Wallet",
]
