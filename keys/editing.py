"""Changing a key's name, restrictions and spend caps, at work on every process from the next request on."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from django.db import transaction

from accounts import events
from accounts.models import User
from keys import forgetting, issuing
from keys.issuing import Refused
from keys.models import ApiKey
from keys.restrictions import Restrictions
from wallets import budgets
from wallets.models import brief_locks


class NotChangeable(Refused):
    def __init__(self, key: ApiKey) -> None:
        if key.revoked_at is not None:
            why = "is revoked"
        elif key.replaced_by_id is not None:
            why = "has been replaced by another"
        else:
            why = "has expired"
        super().__init__(f"The key “{key.name}” {why}: it can't be changed any more.")


def locked(key: ApiKey) -> ApiKey:
    """The key as it stands, for this transaction alone. Raises NotChangeable if it has ended or was replaced."""
    key = ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk)
    if not key.is_changeable():
        raise NotChangeable(key)
    return key


def edit(
    key: ApiKey, *, name: str, restrictions: Restrictions, limits: Mapping[str, Decimal | None] | None = None, actor: User | None
) -> bool:
    """Give the key this name, these restrictions and spend caps. Returns whether that changes anything.

    Raises NotChangeable, WalletBusyError.
    `limits` are credits by window, None to remove a cap; windows that are not named stay as they are.
    """
    with transaction.atomic(), brief_locks():
        wallet = issuing.lock_wallet(key.account)
        key = locked(key)
        before, after = ({"name": key.name} | key.restrictions.as_json(), {"name": name} | restrictions.as_json())
        changes = {field: [before[field], after[field]] for field in before if before[field] != after[field]}
        if changes:
            ApiKey.objects.filter(pk=key.pk).update(name=name, **restrictions.columns())
            events.record("key.changed", account=key.account, actor=actor, key_id=key.pk, prefix=key.prefix, name=name, changes=changes)
            forgetting.publish_key(key.digest)
        has_new_caps = budgets.set_caps(wallet, key_id=key.pk, limits=limits or {}, actor=actor)
    return bool(changes) or has_new_caps
