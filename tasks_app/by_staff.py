"""What staff do to a customer's tasks and files, each with its reason in the audit trail."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from accounts import events
from accounts.models import Event, User
from tasks_app import ending
from tasks_app.engine.costs import cost_usd
from tasks_app.models import Artifact, Task
from tasks_app.uploads import storing

_CANCELED: Final = "task.canceled"


@transaction.atomic
def cancel(task: Task, *, actor: User, reason: str) -> bool:
    """The task ends canceled and refunded, now, whoever works on it. False: it has ended before.

    It does not count towards the cancels of its account. Raises WalletBusyError.
    """
    if ending.cancel(task.pk, cost_usd=cost_usd(task)) is None:
        return False
    events.record(_CANCELED, account=task.account, actor=actor, task=task.pk, reason=reason)
    return True


def has_canceled(task_id: str, *, account_id: int) -> bool:
    """Whether it was staff who canceled a task of that account."""
    return Event.objects.filter(account=account_id, kind=_CANCELED, data__task=task_id).exists()


@transaction.atomic
def remove(artifact: Artifact, *, actor: User, reason: str) -> bool:
    """The file's bytes go, for good; its row stays. False: they are gone already.

    A task that goes by it and has not begun yet fails, and is refunded.
    """
    if not storing.remove(artifact):
        return False
    events.record("artifact.removed", account=artifact.account, actor=actor, artifact=artifact.pk, sha256=artifact.sha256, reason=reason)
    return True
