"""`manage.py audit_wallets`: compare every wallet with its books; exit status 1 on a difference. `/readyz` shows what came of it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wallets.audit import CHECKS
from wallets.audit_runs import run_audit


class Command(BaseCommand):
    help = "Compares every wallet with its ledger and usage records. Exits with 1 when something differs."

    def handle(self, *args: Any, **options: Any) -> None:
        run, differences = run_audit()
        for difference in differences:
            self.stdout.write(str(difference))
        if differences:
            raise CommandError(f"{len(differences)} differences in the books")
        self.stdout.write(f"{run}: {len(CHECKS)} checks, no difference")
