"""A customer cancels a task.

    queued      it ends canceled and refunded, in the same transaction
    running     cancel_requested_at is set: whatever the provider delivers, it ends canceled and refunded (tasks_app/ending.py)
    final       refused

A running task costs us, so an account may have TASK_CANCELS_A_DAY of those in 24 hours. The wallet is locked first, then the task, as by
whoever ends it: so a cancel and a task's first step or end come one after another, and racing cancels are counted right.

What a worker has claimed is left to it, and so is `next_run_at`: the row does not tell a claim from a pause between two steps, and a claim
may be of a call that costs us (tasks_app/music/nudges.py may end one, as it can only be of a question). The next step that is taken sees
that the task is to be canceled.

All times are the database's clock.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from contract import limits
from contract.errors import ApiError
from tasks_app import ending
from tasks_app.finding import task_of
from tasks_app.models import Task, TaskStatus
from wallets.models import Wallet

_DAY = timedelta(hours=24)


@transaction.atomic
def cancel(task_id: str, *, account_id: int, reason: str = "") -> Task:
    """The task, which is canceled now, or still running with `cancel_requested_at`. Asked again of such a one, nothing changes.

    `reason` is the customer's, kept with the task. Raises ApiError not_found (another account's too), task_already_terminal,
    forbidden beyond the account's cancels of a day.
    """
    wallet_id = task_of(account_id, task_id).usage.wallet_id
    Wallet.objects.lock(wallet_id)
    task = Task.objects.select_for_update(no_key=True).only("status", "cancel_requested_at").get(pk=task_id)
    if task.is_final:
        raise ApiError("task_already_terminal", f"The task has already ended: it is {task.status}.", details={"status": task.status})
    if task.status == TaskStatus.QUEUED:
        Task.objects.filter(pk=task_id).update(cancel_reason=reason)
        ending.cancel(task_id)
    elif task.cancel_requested_at is None:
        _check_cancels(account_id)
        Task.objects.filter(pk=task_id).update(cancel_requested_at=Now(), cancel_reason=reason)
    return task_of(account_id, task_id)


def cancels_left(account_id: int) -> int:
    """How many more running tasks the account may cancel now."""
    most: int = settings.TASK_CANCELS_A_DAY
    return max(0, most - _canceled_lately(account_id))


def _canceled_lately(account_id: int) -> int:
    lately: int = Task.objects.of_account(account_id).filter(cancel_requested_at__gt=Now() - _DAY).count()
    return lately


def _check_cancels(account_id: int) -> None:
    lately = _canceled_lately(account_id)
    if lately >= settings.TASK_CANCELS_A_DAY:
        raise ApiError(
            "forbidden",
            f"This account has canceled {lately} running tasks in the last 24 hours, as many as are refunded. The task goes on.",
            details={"limit": limits.Name.TASK_CANCELS},
        )
