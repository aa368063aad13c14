"""Suspending an account and opening it again, as facts about the account alone.

Staff do it by beatra_site/backoffice/suspending.py, a payment dispute by beatra_site/webhooks.py; each also tells whoever keeps the
account's keys in memory.
"""

from __future__ import annotations

from django.db import transaction

from accounts import events
from accounts.models import Account, Event, User


def suspend(account: Account, *, actor: User | None, reason: str) -> bool:
    """From now on the account's keys are refused (`tenant_disabled`). Returns whether it was active before.

    `actor` is none for the system itself, as after a payment dispute.
    """
    return _move(account, Account.Status.ACTIVE, Account.Status.SUSPENDED, kind="account.suspended", actor=actor, reason=reason)


def reopen(account: Account, *, actor: User, reason: str) -> bool:
    """The account works again. Returns whether it was suspended before; a closed account stays closed."""
    return _move(account, Account.Status.SUSPENDED, Account.Status.ACTIVE, kind="account.reopened", actor=actor, reason=reason)


def is_by_dispute(account: Account) -> bool:
    """Whether the account was last suspended by the system itself, which does it after a payment dispute only."""
    last = Event.objects.filter(account=account, kind="account.suspended").order_by("-id").first()
    return last is not None and last.actor_id is None


def _move(account: Account, before: Account.Status, after: Account.Status, *, kind: str, actor: User | None, reason: str) -> bool:
    with transaction.atomic():
        moved = Account.objects.filter(pk=account.pk, status=before).update(status=after) == 1
        if moved:
            account.status = after
            events.record(kind, account=account, actor=actor, reason=reason)
    return moved
