"""Files that are not to be kept any longer: their bytes go, their rows stay.

    expired      at `expires_at`
    not needed   of a task that has ended: its reference, and what is in none of its clips
    leftovers    bytes whose removal failed, or whose process died before their row was there

In batches, each its own transaction, and past whatever another has at hand: two that run at once do the work once.
"""

from __future__ import annotations

from typing import Final

from celery import shared_task
from django.db import connection, transaction

from tasks_app.uploads import storing

BATCH: Final = 100
MOST_BATCHES: Final = 20

_EXPIRED: Final = """
select id from tasks_app_artifact where removed_at is null and expires_at <= statement_timestamp()
 order by expires_at limit %(batch)s for update skip locked"""
# No task lasts a day, so of older ones all is done
_NOT_NEEDED: Final = """
select a.id from tasks_app_artifact a join tasks_app_task t on t.id = a.task_id
 where a.removed_at is null and a.kind <> 'upload' and a.created_at > statement_timestamp() - interval '2 days'
   and t.completed_at is not null
   and not t.clips @> jsonb_build_array(jsonb_build_object('artifact_id', a.id))
 limit %(batch)s for update of a skip locked"""
_REMOVE: Final = """
with found as materialized ({found}),
     removed as (update tasks_app_artifact set removed_at = statement_timestamp() where id in (select id from found) returning storage_name)
insert into tasks_app_leftover (storage_name, condemned, due_at) select storage_name, true, statement_timestamp() from removed
"""
_CLAIM: Final = """
update tasks_app_leftover set condemned = true, due_at = statement_timestamp() + make_interval(secs => %(again)s)
 where storage_name = any (array(
    select storage_name from tasks_app_leftover where due_at <= statement_timestamp()
     order by due_at limit %(batch)s for update skip locked))
returning storage_name
"""


@shared_task(name="tasks_app.retain_files")
def retain_files() -> None:
    """Remove what is not to be kept. What one run does not come to is the next one's."""
    for found in (_EXPIRED, _NOT_NEEDED):
        _in_batches(_REMOVE.format(found=found))
    for _ in range(MOST_BATCHES):
        names = _due()
        for name in names:
            storing.erase(name)
        if len(names) < BATCH:
            break


def _in_batches(statement: str) -> None:
    for _ in range(MOST_BATCHES):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, {"batch": BATCH})
            if cursor.rowcount < BATCH:
                break


def _due() -> list[str]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"batch": BATCH, "again": storing.AGAIN.total_seconds()})
        return [name for (name,) in cursor.fetchall()]
