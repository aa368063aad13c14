"""Pausing a key, which is refused as a disabled one until it is resumed. Calls under way run to their end."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts import events
from accounts.models import User
from keys import forgetting
from keys.models import ApiKey
from wallets.models import brief_locks


def pause(key: ApiKey, *, actor: User | None, **why: str) -> bool:
    """Refuse the key from the next request on. Returns whether it was changed: not if it is paused, or revoked.

    `why` may be a `reason`, for the audit trail.
    """
    return _move(key, "key.paused", is_paused=False, paused_at=timezone.now(), actor=actor, why=why)


def resume(key: ApiKey, *, actor: User | None, **why: str) -> bool:
    """Let the key in again. Returns whether it was changed: not if it is not paused, or revoked."""
    return _move(key, "key.resumed", is_paused=True, paused_at=None, actor=actor, why=why)


def _move(key: ApiKey, kind: str, *, is_paused: bool, paused_at: datetime | None, actor: User | None, why: dict[str, str]) -> bool:
    with transaction.atomic(), brief_locks():
        before = ApiKey.objects.filter(pk=key.pk, revoked_at=None, paused_at__isnull=not is_paused)
        moved = before.update(paused_at=paused_at) == 1
        if moved:
            key.paused_at = paused_at
            events.record(kind, account=key.account, actor=actor, key_id=key.pk, prefix=key.prefix, name=key.name, **why)
            forgetting.publish_key(key.digest)
    return moved
