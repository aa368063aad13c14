"""The tables of money."""

from .process import Process
from .usage import UsageRecord
from .wallet import CreditsPerUsdRate, LedgerEntry, Wallet

__all__ = ["CreditsPerUsdRate", "LedgerEntry", "Process", "UsageRecord", "Wallet"]
