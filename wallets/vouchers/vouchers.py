"""Vouchers: codes made by staff and redeemed by customers.

A redemption is one transaction with the wallet locked first and the voucher second, and one ledger entry `voucher:<voucher>:<account>`:
each account redeems a code once, and all of them together no more often than it has uses, whatever runs at the same time.

VoucherError             the text is for the customer
  UnknownCodeError       no such code, or nothing that could be one
  NotOpenError           it expired, was disabled or is used up: nothing that would help who guesses, as no code says anything of another
  AlreadyRedeemedError   by this account
  AccountRefusedError    the account is suspended or closed, or its address was never confirmed

A wallet or a voucher that somebody else has locked for too long raises WalletBusyError.

How often somebody may try is limited where they do it (wallets/wallet_actions.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import events
from accounts.models import Account, User
from accounts.verified import has_verified_address
from wallets import ledger
from wallets.models import EntryKind, LedgerEntry, Voucher, VoucherBatch, Wallet, brief_locks
from wallets.money import as_text
from wallets.vouchers import spelling

# Of a batch: they are shown on one page
MOST_CODES: Final = 1000


class VoucherError(Exception):
    """A voucher that can't be redeemed."""


class UnknownCodeError(VoucherError):
    def __init__(self) -> None:
        super().__init__("There is no such voucher. Compare the code with what you were given.")


class NotOpenError(VoucherError):
    def __init__(self, status: Voucher.Status) -> None:
        texts = {
            Voucher.Status.EXPIRED: "This voucher has expired.",
            Voucher.Status.USED_UP: "This voucher is used up.",
            Voucher.Status.DISABLED: "This voucher is not valid any more.",
        }
        super().__init__(texts[status])


class AlreadyRedeemedError(VoucherError):
    def __init__(self, entry: LedgerEntry) -> None:
        super().__init__(f"You have redeemed this voucher already, on {entry.created_at:%Y-%m-%d at %H:%M} UTC.")


class AccountRefusedError(VoucherError):
    pass


class AlreadyMadeError(Exception):
    """The form was sent before; its codes were shown then."""

    def __init__(self, batch: VoucherBatch) -> None:
        super().__init__(f"batch {batch.pk}")
        self.batch = batch


@dataclass(frozen=True, slots=True)
class Made:
    """A new batch, with its codes in clear: the only time that they exist. Show them, never store or log them."""

    batch: VoucherBatch
    codes: tuple[str, ...] = field(repr=False)


@transaction.atomic
def make(
    *, credits: Decimal, codes: int, uses: int, expires_at: datetime | None, note: str, actor: User, submission: uuid.UUID | None = None
) -> Made:
    """Make `codes` codes (MOST_CODES at most), each worth `credits` to each of `uses` accounts until `expires_at` (none: for ever).

    `submission` names one sending of the form: the second call with the same one raises AlreadyMadeError.
    """
    if not 1 <= codes <= MOST_CODES:
        raise ValueError(f"{codes} codes")
    submission = submission or uuid.uuid4()
    shown = tuple(spelling.new_code() for _ in range(codes))
    try:
        with transaction.atomic():
            batch = VoucherBatch.objects.create(
                credits=credits, codes=codes, uses=uses, expires_at=expires_at, note=note, created_by=actor, form_id=submission
            )
    except IntegrityError:
        if (made := VoucherBatch.objects.filter(form_id=submission).first()) is None:
            raise
        raise AlreadyMadeError(made) from None
    Voucher.objects.bulk_create(_voucher(batch, code) for code in shown)
    events.record("vouchers.made", account=None, actor=actor, batch=batch.pk, codes=codes, uses=uses, credits=as_text(credits), note=note)
    return Made(batch, shown)


def _voucher(batch: VoucherBatch, shown: str) -> Voucher:
    code = shown.replace("-", "")
    return Voucher(batch=batch, digest=spelling.digest(code), prefix=spelling.prefix(code), uses=batch.uses)


def disable(vouchers: Iterable[Voucher], *, actor: User, reason: str) -> int:
    """From now on nobody redeems these; what was redeemed stays. Returns how many were not disabled before. Raises WalletBusyError."""
    disabled = 0
    with transaction.atomic(), brief_locks():
        ids = [voucher.pk for voucher in vouchers]
        for voucher in Voucher.objects.select_for_update(no_key=True).filter(pk__in=ids, disabled_at=None).order_by("pk"):
            voucher.disabled_at = timezone.now()
            voucher.save(update_fields=["disabled_at"])
            events.record("voucher.disabled", account=None, actor=actor, voucher=voucher.pk, prefix=voucher.prefix, reason=reason)
            disabled += 1
    return disabled


def redeem(account: Account, *, code: str, actor: User) -> LedgerEntry:
    """Give the account what the voucher of `code`, as typed, is worth. Raises VoucherError, WalletBusyError; nothing has changed then."""
    with transaction.atomic(), brief_locks():
        return _redeem(account, code=code, actor=actor)


def _redeem(account: Account, *, code: str, actor: User) -> LedgerEntry:
    wallet = Wallet.objects.lock(account.wallet.pk)
    _check(Account.objects.get(pk=account.pk))
    typed = spelling.normal(code)
    found = Voucher.objects.filter(digest=spelling.digest(typed)) if typed else Voucher.objects.none()
    voucher = found.select_for_update(no_key=True, of=("self",)).select_related("batch").first()
    if voucher is None:
        raise UnknownCodeError
    reference = f"voucher:{voucher.pk}:{account.pk}"
    if (earlier := LedgerEntry.objects.filter(reference=reference).first()) is not None:
        raise AlreadyRedeemedError(earlier)
    if (status := voucher.status()) != Voucher.Status.OPEN:
        raise NotOpenError(status)
    voucher.used += 1
    voucher.save(update_fields=["used"])
    given = voucher.batch.credits
    events.record("voucher.redeemed", account=account, actor=actor, voucher=voucher.pk, prefix=voucher.prefix, credits=as_text(given))
    return ledger.credit(wallet, kind=EntryKind.VOUCHER, amount=given, reference=reference, actor=actor)


def _check(account: Account) -> None:
    if account.status != Account.Status.ACTIVE:
        raise AccountRefusedError(f"This account is {account.status}: no voucher can be redeemed.")
    if not has_verified_address(account.user_id):
        raise AccountRefusedError("Confirm your email address first, then redeem the voucher.")
