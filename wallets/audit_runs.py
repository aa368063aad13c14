"""Auditing the books and leaving word of it (wallets/last_audit.py): `manage.py audit_wallets` does, and beat once an hour."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import transaction

from wallets.audit import Difference, audit, one_moment
from wallets.models import AuditRun, LedgerEntry, UsageRecord, Wallet

KEPT = 100

logger = logging.getLogger(__name__)


def run_audit() -> tuple[AuditRun, list[Difference]]:
    """Audit all books and write down that it was done; returns the row and every difference. Only the newest KEPT rows stay."""
    with one_moment():
        differences = audit()
        counted = {
            "wallets": Wallet.objects.count(),
            "entries": LedgerEntry.objects.count(),
            "usage_records": UsageRecord.objects.count(),
        }
    with transaction.atomic():
        run = AuditRun.objects.create(**counted, differences=len(differences))
        kept = AuditRun.objects.order_by("-id").values("id")[:KEPT]
        AuditRun.objects.exclude(id__in=kept).delete()
    if differences:
        logger.error("the books differ: see manage.py audit_wallets", extra={"differences": len(differences)})
    return run, differences


@shared_task(name="wallets.audit", ignore_result=True)
def audit_task() -> None:
    """Run by beat once an hour."""
    run_audit()
