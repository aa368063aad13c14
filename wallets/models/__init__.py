"""The tables of money."""

from .audit import AuditRun
from .auto_top_up import AutoTopUp
from .budget import BudgetKey, Cap, CapWindow
from .idempotency import IdempotencyKey
from .process import Process
from .top_up import Dispute, Provider, TopUp, WebhookEvent
from .usage import PAID_CLAUSES, UsageClause, UsageRecord, UsageStatus
from .voucher import Voucher, VoucherBatch
from .wallet import CreditsPerUsdRate, EntryKind, LedgerEntry, Wallet, WalletBusyError, brief_locks

__all__ = [
    "PAID_CLAUSES",
    "AuditRun",
    "AutoTopUp",
    "BudgetKey",
    "Cap",
    "CapWindow",
    "CreditsPerUsdRate",
    "Dispute",
    "EntryKind",
    "IdempotencyKey",
    "LedgerEntry",
    "Process",
    "Provider",
    "TopUp",
    "UsageClause",
    "UsageRecord",
    "UsageStatus",
    "Voucher",
    "VoucherBatch",
    "Wallet",
    "WalletBusyError",
    "WebhookEvent",
    "brief_locks",
]
