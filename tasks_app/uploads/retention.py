"""Files that are not to be kept any longer: their bytes go, their rows stay.

    expired      at `expires_at`
    not needed   of a task that has ended: its reference, and what is in none of its clips. Looked at once, then it is settled
    leftovers    bytes whose removal failed, that a task still went by, or whose process died before their row was there

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
select id, true as goes from tasks_app_artifact where removed_at is null and expires_at <= statement_timestamp()
 order by expires_at limit %(batch)s for update skip locked"""
# Of those that nobody has decided on, so as many as there are of tasks under way, and of tasks that have ended since the last run
_UNSETTLED: Final = """
select a.id, a.removed_at is null and not t.clips @> jsonb_build_array(jsonb_build_object('artifact_id', a.id)) as goes
  from tasks_app_artifact a join tasks_app_task t on t.id = a.task_id
 where a.unsettled and t.completed_at is not null
 limit %(batch)s for update of a skip locked"""
# A row for each that was found
_REMOVE: Final = """
with found as materialized ({found}),
     looked_at as (
    update tasks_app_artifact a
       set unsettled = false, removed_at = case when found.goes then statement_timestamp() else a.removed_at end
      from found where a.id = found.id returning a.storage_name, found.goes),
     left_over as (
    insert into tasks_app_leftover (storage_name, condemned, due_at)
    select storage_name, true, statement_timestamp() from looked_at where goes)
select from found
"""
_CLAIM: Final = """
update tasks_app_leftover set condemned = true, due_at = statement_timestamp() + make_interval(secs => %(again)s)
 where storage_name = any (array(
    select l.storage_name from tasks_app_leftover l where l.due_at <= statement_timestamp()
       and not exists (
        select from tasks_app_artifact a join tasks_app_task t on t.reference_id = a.id
         where a.storage_name = l.storage_name collate "default" and t.completed_at is null)
     order by l.due_at limit %(batch)s for update of l skip locked))
returning storage_name
"""


@shared_task(name="tasks_app.retain_files")
def retain_files() -> None:
    """Remove what is not to be kept. What one run does not come to is the next one's."""
    for found in (_EXPIRED, _UNSETTLED):
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
