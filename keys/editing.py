"""Changing a key's name and restrictions, at work on every process from the next request on."""

from __future__ import annotations

from django.db import transaction

from accounts import events
from accounts.models import User
from keys import forgetting
from keys.issuing import Refused
from keys.models import ApiKey
from keys.restrictions import Restrictions


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


def edit(key: ApiKey, *, name: str, restrictions: Restrictions, actor: User | None) -> bool:
    """Give the key this name and these restrictions. Returns whether that changes anything. Raises NotChangeable."""
    with transaction.atomic():
        key = locked(key)
        before, after = ({"name": key.name} | key.restrictions.as_json(), {"name": name} | restrictions.as_json())
        changes = {field: [before[field], after[field]] for field in before if before[field] != after[field]}
        if changes:
            ApiKey.objects.filter(pk=key.pk).update(name=name, **restrictions.columns())
            events.record("key.changed", account=key.account, actor=actor, key_id=key.pk, prefix=key.prefix, name=name, changes=changes)
            forgetting.publish_key(key.digest)
    return bool(changes)
