"""The audit trail: what was done to an account, by whom."""

from __future__ import annotations

from typing import Any

from accounts.models import Account, Event, User


def record(kind: str, *, account: Account | None, actor: User | None, **data: Any) -> Event:
    """Write one event of `kind` ("key.created") in the caller's transaction.

    `actor` is who did it, none for the system itself. `data` is JSON for people to read: never a secret, never a prompt.
    """
    return Event.objects.create(kind=kind, account=account, actor=actor, data=data)
