"""How much an account may do, as staff set it, so that every process knows at once."""

from __future__ import annotations

from django.db import transaction

from accounts import events
from accounts.models import Account, User
from keys import forgetting
from wallets import editing
from wallets.models import Wallet, brief_locks


@transaction.atomic
def limit(wallet: Wallet, *, requests_per_minute: int | None, max_in_flight: int, actor: User, reason: str) -> bool:
    """The figures of the wallet's account from now on; `requests_per_minute` None stands for what everybody has.

    Each that changes is an event. Returns whether one did. Raises WalletBusyError.
    """
    calls_changed = editing.limit_calls(wallet, max_in_flight=max_in_flight, actor=actor, reason=reason)
    with brief_locks():
        account = Account.objects.select_for_update(no_key=True).get(pk=wallet.account_id)
    before = account.requests_per_minute
    if before != requests_per_minute:
        Account.objects.filter(pk=account.pk).update(requests_per_minute=requests_per_minute)
        events.record("account.limit_changed", account=account, actor=actor, before=before, after=requests_per_minute, reason=reason)
        forgetting.publish_account(account.pk)
    return calls_changed or before != requests_per_minute
