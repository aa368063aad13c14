"""Making and revoking keys: who may, how many, and what is written with it.

Refused
+-- AccountNotActive    suspended or closed
+-- NotVerified         no verified email address
+-- TooManyKeys         MOST_ACTIVE_KEYS are in use; one that another has replaced does not count
+-- AlreadyIssued       this sending of the form has made its key before
+-- WalletBusy          another transaction has the wallet locked: later
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from allauth.account.models import EmailAddress
from django.db import OperationalError, transaction
from django.utils import timezone
from psycopg.errors import LockNotAvailable, QueryCanceled

from accounts import events
from accounts.models import Account, User
from keys import forgetting, tokens
from keys.models import ApiKey
from keys.restrictions import NONE, Restrictions
from wallets import budgets
from wallets.models import Wallet

MOST_ACTIVE_KEYS: Final = 50
"""Per account. Enough for a key for every program and stage; a script gone wild is stopped before it fills the table."""


class Refused(Exception):
    """No key is made. Its text is for the account's owner to read."""

    wants_verification = False


class AccountNotActive(Refused):
    def __init__(self, account: Account) -> None:
        super().__init__(f"This account is {account.status}. Keys can be looked at and revoked, but no new ones made.")


class NotVerified(Refused):
    wants_verification = True

    def __init__(self) -> None:
        super().__init__("Confirm your email address first: it is how we reach you if a key leaks.")


class TooManyKeys(Refused):
    def __init__(self) -> None:
        super().__init__(f"This account has {MOST_ACTIVE_KEYS} keys in use, the most it can have. Revoke one that is not needed any more.")


class AlreadyIssued(Refused):
    def __init__(self, key: ApiKey) -> None:
        self.key = key
        super().__init__(f"The key “{key.name}” has been created already. A key is shown only once; if you did not copy it, revoke it.")


class WalletBusy(Refused):
    def __init__(self) -> None:
        super().__init__("Your wallet is busy right now, so nothing was saved. Try again in a moment.")


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key, with its token in clear: the only time that it exists. Show it, never store or log it."""

    key: ApiKey
    token: str = field(repr=False)


def check(account: Account) -> None:
    """Raises the Refused that stands in the way of one more key, if one does."""
    check_account(account)
    if ApiKey.objects.of_account(account).in_use().count() >= MOST_ACTIVE_KEYS:
        raise TooManyKeys


def check_account(account: Account) -> None:
    """Raises the Refused that stands in the way of any new key, also of one in another's place."""
    if account.status != Account.Status.ACTIVE:
        raise AccountNotActive(account)
    if not EmailAddress.objects.filter(user_id=account.user_id, verified=True).exists():
        raise NotVerified


def issue(
    account: Account,
    *,
    name: str,
    actor: User | None,
    restrictions: Restrictions = NONE,
    limits: Mapping[str, Decimal | None] | None = None,
    submission: uuid.UUID | None = None,
) -> Issued:
    """Make a key named `name` for the account, with spend caps of `limits` credits by window. Raises Refused.

    `submission` names one sending of the form: the second call with the same one raises AlreadyIssued.
    """
    submission = submission or uuid.uuid4()
    caps = {window: limit for window, limit in (limits or {}).items() if limit is not None}
    with wallet_first(account) if caps else transaction.atomic() as wallet:
        account = locked(account, submission=submission)
        check(account)
        issued = make(account, name=name, actor=actor, restrictions=restrictions, submission=submission)
        key = issued.key
        restricted = {"restrictions": restrictions.as_json()} if restrictions != NONE else {}
        events.record("key.created", account=account, actor=actor, key_id=key.pk, prefix=key.prefix, name=key.name, **restricted)
        if wallet is not None:
            budgets.set_caps(wallet, key_id=key.pk, limits=caps, actor=actor)
    return issued


@contextmanager
def wallet_first(account: Account) -> Iterator[Wallet]:
    """A transaction that touches the caps of a key, and therefore locks the account's wallet before all else. Raises WalletBusy."""
    try:
        with transaction.atomic():
            yield Wallet.objects.lock(Wallet.objects.values_list("pk", flat=True).get(account=account))
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable | QueryCanceled):
            raise WalletBusy from error
        raise


def locked(account: Account, *, submission: uuid.UUID) -> Account:
    """The account, for this transaction alone: so that the limit holds and a doubled sending finds the first one's key.

    Raises AlreadyIssued if `submission` has made its key.
    """
    account = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    if made := ApiKey.objects.of_account(account).filter(submission=submission).first():
        raise AlreadyIssued(made)
    return account


def make(account: Account, *, name: str, actor: User | None, restrictions: Restrictions, submission: uuid.UUID) -> Issued:
    """The row of a new key and its token. Who may have it is checked before, and what happened is recorded after."""
    token = tokens.new_token()
    key = ApiKey.objects.create(
        account=account,
        name=name,
        prefix=tokens.prefix(token),
        digest=tokens.digest(token),
        submission=submission,
        created_by=actor,
        **restrictions.columns(),
    )
    return Issued(key, token)


def revoke(key: ApiKey, *, actor: User | None, **why: str) -> bool:
    """Revoke the key: every process refuses it from the next request on. Returns whether it had not been revoked before.

    `why` may be a `reason`, for the audit trail.
    """
    with transaction.atomic():
        now = timezone.now()
        revoked = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now) == 1
        if revoked:
            key.revoked_at = now
            events.record("key.revoked", account=key.account, actor=actor, key_id=key.pk, prefix=key.prefix, name=key.name, **why)
            forgetting.publish_key(key.digest)
    return revoked
