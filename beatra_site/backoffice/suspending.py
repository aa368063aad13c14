"""Suspending an account and opening it again, so that every process knows at once."""

from __future__ import annotations

from django.db import transaction

from accounts import suspension
from accounts.models import Account, User
from keys import forgetting


@transaction.atomic
def suspend(account: Account, *, actor: User, reason: str) -> bool:
    """From now on the account's keys are refused, by every process. Returns whether it was active before."""
    return _spread(account, moved=suspension.suspend(account, actor=actor, reason=reason))


@transaction.atomic
def reopen(account: Account, *, actor: User, reason: str) -> bool:
    """The account's keys work again, in every process. Returns whether it was suspended before."""
    return _spread(account, moved=suspension.reopen(account, actor=actor, reason=reason))


def _spread(account: Account, *, moved: bool) -> bool:
    if moved:
        forgetting.publish_account(account.pk)
    return moved
