"""Ends open usage records whose process is gone: clause `lost`, hold given back, nothing charged.

A process is gone when its row was not renewed for GONE_SECONDS by the database's clock (wallets/heartbeat.py). While PostgreSQL
itself was away nobody could renew, so the count starts again with the server. A record that is open for longer than any call may
last is ended too: its own process could not record how it ended.

Two sweepers at once are harmless, and so is a charge that comes at the same moment: whoever has the wallet first closes the
record, the other finds it closed.
"""

from __future__ import annotations

import logging

from celery import shared_task
from django.conf import settings
from django.db import connection

from wallets import holds
from wallets.models import UsageClause

GONE_SECONDS = 30
# Beyond CHAT_TOTAL_SECONDS, which counts for one try: others before it, a client that reads slowly, a charge that waits
LONGEST_MARGIN_SECONDS = 3000
FORGET_SECONDS = 86_400
BATCH = 500

logger = logging.getLogger(__name__)

LOST = """
select u.id, u.wallet_id
  from wallets_usagerecord u left join wallets_process p on p.id = u.process_id
 where u.status = 'open' and u.id > %(after)s
   and (greatest(coalesce(p.seen_at, u.created_at), pg_postmaster_start_time()) < clock_timestamp() - make_interval(secs => %(gone)s)
        or u.created_at < clock_timestamp() - make_interval(secs => %(longest)s))
 order by u.id limit %(batch)s
"""
FORGET = """
delete from wallets_process p
 where p.seen_at < clock_timestamp() - make_interval(secs => %(forget)s)
   and not exists (select from wallets_usagerecord u where u.status = 'open' and u.process_id = p.id)
"""


def sweep(*, gone_seconds: float = GONE_SECONDS) -> int:
    """End what is lost; returns how many records. Those of a wallet that is locked right now are left for the next sweep."""
    ended = 0
    after = ""
    while lost := _lost(after, gone_seconds=gone_seconds):
        answers = holds.release(
            [
                holds.Release(usage_id=usage_id, wallet_id=wallet_id, clause=UsageClause.LOST, outcome="lost")
                for usage_id, wallet_id in lost
            ],
            skip_locked=True,
        )
        ended += sum(answer.kind == "released" for answer in answers)
        after = lost[-1][0]
    with connection.cursor() as cursor:
        cursor.execute(FORGET, {"forget": FORGET_SECONDS})
    if ended:
        logger.warning("calls of processes that are gone were ended as lost", extra={"lost": ended})
    return ended


def _lost(after: str, *, gone_seconds: float) -> list[tuple[str, int]]:
    longest = settings.CHAT_TOTAL_SECONDS + LONGEST_MARGIN_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(LOST, {"after": after, "gone": gone_seconds, "longest": longest, "batch": BATCH})
        found: list[tuple[str, int]] = cursor.fetchall()
    return found


@shared_task(name="wallets.sweep", ignore_result=True)
def sweep_task() -> None:
    """Run by beat every 10 seconds."""
    sweep()
