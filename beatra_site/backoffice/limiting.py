"""How much an account may do, as staff set it, so that every process knows at once."""

from __future__ import annotations

from django.db import transaction

from accounts import events
from accounts.models import Account, User
from contract import limits
from keys import forgetting
from wallets import editing
from wallets.models import Wallet, brief_locks


@transaction.atomic
def limit(
    wallet: Wallet,
    *,
    requests_per_minute: int | None,
    max_in_flight: int,
    stored_uploads: int | None,
    stored_mib: int | None,
    actor: User,
    reason: str,
) -> bool:
    """The figures of the wallet's account from now on; None stands for what everybody has.

    Each that changes is an event. Returns whether one did. Raises WalletBusyError.
    """
    calls_changed = editing.limit_calls(wallet, max_in_flight=max_in_flight, actor=actor, reason=reason)
    with brief_locks():
        account = Account.objects.select_for_update(no_key=True).get(pk=wallet.account_id)
    stored_bytes = None if stored_mib is None else stored_mib * limits.MIB
    requests_changed = _set(account, "requests_per_minute", requests_per_minute, kind="account.limit_changed", actor=actor, reason=reason)
    uploads_changed = _set(account, "stored_uploads", stored_uploads, kind="account.uploads_limit_changed", actor=actor, reason=reason)
    bytes_changed = _set(account, "stored_bytes", stored_bytes, kind="account.upload_bytes_limit_changed", actor=actor, reason=reason)
    if requests_changed:
        forgetting.publish_account(account.pk)
    return calls_changed or requests_changed or uploads_changed or bytes_changed


def _set(account: Account, field: str, value: int | None, *, kind: str, actor: User, reason: str) -> bool:
    before = getattr(account, field)
    if before == value:
        return False
    Account.objects.filter(pk=account.pk).update(**{field: value})
    events.record(kind, account=account, actor=actor, before=before, after=value, reason=reason)
    return True
