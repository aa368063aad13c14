"""Ends open usage records whose process is gone: clause `lost`, hold given back, nothing charged.

A process is gone when its row was not renewed for GONE_SECONDS by the database's clock (wallets/heartbeat.py). With a sweep every 5 s
(settings.CELERY_BEAT_SCHEDULE), what it held is free again within 30 s of its death. A record that is open for longer
than any call may last is ended too: its own process could not record how it ended.

A living process may look dead:

- PostgreSQL was restarted, so that nobody could renew: the silence counts from its start;
- everything stood still at once (a suspended machine, a database that hung, a clock set forward): then the sweeps stood still too,
  and after a gap between them the living get WATCHED_SECONDS to be seen first;
- that process alone stood still, or could not reach the database: its calls are lost. It finds their records closed, charges
  nothing and tells its callers `billing_failed`, so no call is both answered in full and free.

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

# Three renewals missed, and a fourth on its way
GONE_SECONDS = 20
# Sweeps further apart than this did not watch meanwhile; then two renewals' time must pass before anybody is given up
GAP_SECONDS = 15
WATCHED_SECONDS = 10
# Beyond CHAT_TOTAL_SECONDS, which is for all tries: a charge in doubt (committer.CLOSE_SECONDS and DOUBT_SECONDS, 620 together), images
# that are fetched, a client that reads slowly
LONGEST_MARGIN_SECONDS = 900
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

# The sweeps' own row: `started_at` is since when they have come without a gap
WATCH = """
insert into wallets_process as w (id, seen_at, started_at) values ('sweeper', clock_timestamp(), clock_timestamp())
on conflict (id) do update
   set started_at = case when w.seen_at < clock_timestamp() - make_interval(secs => %(gap)s) then clock_timestamp() else w.started_at end,
       seen_at = clock_timestamp()
returning extract(epoch from clock_timestamp() - started_at)
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


def longest_seconds() -> float:
    """No call is open for longer."""
    longest: float = settings.CHAT_TOTAL_SECONDS + LONGEST_MARGIN_SECONDS
    return longest


def _lost(after: str, *, gone_seconds: float) -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(LOST, {"after": after, "gone": gone_seconds, "longest": longest_seconds(), "batch": BATCH})
        found: list[tuple[str, int]] = cursor.fetchall()
    return found


@shared_task(name="wallets.sweep", ignore_result=True)
def sweep_task() -> None:
    """Run by beat (settings.CELERY_BEAT_SCHEDULE)."""
    if watched_seconds() >= WATCHED_SECONDS:
        sweep()


def watched_seconds() -> float:
    """For how long sweeps have come without a gap, this one included."""
    with connection.cursor() as cursor:
        cursor.execute(WATCH, {"gap": GAP_SECONDS})
        (seconds,) = cursor.fetchone()
    return float(seconds)
