"""Books in which nobody has anything to look at, for tests inside one transaction: what others have committed comes back at its end."""

from __future__ import annotations

from django.db import connection

from wallets.models import AuditRun


def quiet_books() -> None:
    """No alert, no cost of ours, no old call, no wallet below zero, nothing of providers or mails, and an audit a moment ago."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute("update wallets_usagerecord set alert = '', absorbed_cost_usd = 0 where alert > '' or absorbed_cost_usd > 0")
        cursor.execute("update wallets_usagerecord set created_at = now() where status = 'open'")
        cursor.execute("update wallets_wallet set balance = 0 where balance < 0")
        cursor.execute("update wallets_webhookevent set verdict = 'ignored' where verdict = 'refused'")
        cursor.execute("update wallets_topup set problem = '' where problem > ''")
        cursor.execute("update wallets_autotopup set problem = '' where problem > ''")
        cursor.execute("update wallets_dispute set status = 'won', closed_at = now() where status <> 'won'")
        cursor.execute("update accounts_notice set tries = 0 where sent_at is null and tries > 0")
        cursor.execute("set local session_replication_role = origin")
    AuditRun.objects.all().delete()
    AuditRun.objects.create(wallets=1, entries=1, usage_records=1, differences=0)
