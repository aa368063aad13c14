"""Rotating a key: a new one takes its place, and the old one works on for an overlap, so that its programs can change over.

Refused, beside what keys.issuing refuses
+-- NotChangeable       the key is revoked, expired, or rotated already
+-- StillOverlapping    the key that this one replaced has not ended yet
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts import events
from accounts.models import User
from keys import editing, forgetting, issuing
from keys.issuing import Issued, Refused
from keys.models import ApiKey
from wallets import budgets
from wallets.models import brief_locks

OVERLAPS: Final = {"0": timedelta(0), "1": timedelta(hours=1), "24": timedelta(hours=24), "168": timedelta(days=7)}
"""How long the old key may work on, by hours."""


class StillOverlapping(Refused):
    def __init__(self, predecessor: ApiKey) -> None:
        until = f"{predecessor.expires_at:%Y-%m-%d %H:%M} UTC"
        super().__init__(f"The key {predecessor.prefix}… that this one replaced works until {until}. Revoke it first.")


def check(key: ApiKey) -> None:
    """Raises the Refused that stands in the way of a rotation of the key itself, if one does.

    Two keys overlap, never three: each works, and so an account has at most twice the keys that it may have in use.
    """
    if not key.is_changeable():
        raise editing.NotChangeable(key)
    predecessor = ApiKey.objects.active().filter(replaced_by=key).first()
    if predecessor is not None:
        raise StillOverlapping(predecessor)


def rotate(key: ApiKey, *, overlap: timedelta, actor: User | None, submission: uuid.UUID) -> Issued:
    """Make a key with the name, restrictions and limits of `key`, which ends after `overlap`, and never later than it would have.

    Both spend of the same caps. The new key takes the old one's place among those an account may have, so a full account can rotate. It
    is not paused if the old one is. Raises Refused, WalletBusyError; `submission` names one sending of the form, the second raises
    AlreadyIssued.
    """
    with transaction.atomic(), brief_locks():
        wallet = issuing.lock_wallet(key.account)
        account = issuing.locked(key.account, submission=submission)
        issuing.check_account(account)
        key = editing.locked(key)
        check(key)
        issued = issuing.make(account, name=key.name, actor=actor, restrictions=key.restrictions, submission=submission)
        budgets.join_budget(wallet, key_id=issued.key.pk, replaces_key_id=key.pk)
        ends_at = timezone.now() + overlap
        key.expires_at = ends_at if key.expires_at is None else min(key.expires_at, ends_at)
        key.replaced_by = issued.key
        key.save(update_fields=["expires_at", "replaced_by"])
        named = {"key_id": key.pk, "prefix": key.prefix, "name": key.name}
        new = {"new_key_id": issued.key.pk, "new_prefix": issued.key.prefix, "ends_at": key.expires_at.isoformat()}
        events.record("key.rotated", account=account, actor=actor, **named, **new)
        forgetting.publish_key(key.digest)
    return issued
