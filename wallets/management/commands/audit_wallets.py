"""`manage.py audit_wallets`: compare every wallet with its books; exit status 1 on a difference."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wallets.audit import CHECKS, audit
from wallets.models import LedgerEntry, UsageRecord, Wallet


class Command(BaseCommand):
    help = "Compares every wallet with its ledger and usage records. Exits with 1 when something differs."

    def handle(self, *args: Any, **options: Any) -> None:
        differences = audit()
        for difference in differences:
            self.stdout.write(str(difference))
        if differences:
            raise CommandError(f"{len(differences)} differences in the books")
        counted = f"{Wallet.objects.count()} wallets, {LedgerEntry.objects.count()} entries, {UsageRecord.objects.count()} usage records"
        self.stdout.write(f"{counted}: {len(CHECKS)} checks, no difference")
