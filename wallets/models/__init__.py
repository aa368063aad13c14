"""The tables of money."""

from .audit import AuditRun
from .idempotency import IdempotencyKey
from .process import Process
from .usage import PAID_CLAUSES, UsageClause, UsageRecord, UsageStatus
from .voucher import Voucher, VoucherBatch
from .wallet import CreditsPerUsdRate, EntryKind, LedgerEntry, Wallet

__all__ = [
    "PAID_CLAUSES",
    "AuditRun",
    "CreditsPerUsdRate",
    "EntryKind",
    "IdempotencyKey",
    "LedgerEntry",
    "Process",
    "UsageClause",
    "UsageRecord",
    "UsageStatus",
    "Voucher",
    "VoucherBatch",
    "Wallet",
]
