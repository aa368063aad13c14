"""A task by its id, for its account alone."""

from __future__ import annotations

import re

from contract.errors import ApiError
from tasks_app.models import Task

_ID = re.compile(r"tsk_[0-9A-HJKMNP-TV-Z]{26}")


def task_of(account_id: int, task_id: str) -> Task:
    """The account's task with its usage record, in one query. Raises ApiError not_found, for another account's as for none."""
    task = None
    if _ID.fullmatch(task_id):
        task = Task.objects.of_account(account_id).select_related("usage").defer("made", "attempts").filter(pk=task_id).first()
    if task is None:
        raise ApiError("not_found", "There is no such task.")
    return task
