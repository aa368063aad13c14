"""How much an account may send and keep: uploads a minute, uploads and bytes at the same time, and none without credits.

`admit` looks before a body is read, so that what can't be kept is not sent first. `check` decides, under the account's lock, in the
transaction that keeps the upload: of uploads that end together no more are kept than there is room for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db.models import Count, Sum
from django.template.defaultfilters import filesizeformat

from accounts.models import Account
from contract import limits, token_bucket
from contract.bucket import Bucket
from contract.errors import ApiError
from tasks_app.models import Artifact
from wallets.models import Wallet

_BUCKET: Final = "beatra:uploads:account"
_at_once: Final[Counter[int]] = Counter()


@dataclass(frozen=True, slots=True)
class Kept:
    """How many uploads an account keeps, their bytes together, and the most of each that it may."""

    count: int
    most: int
    size_bytes: int
    most_bytes: int


def kept_by(account: Account) -> Kept:
    kept = Artifact.objects.of_account(account).uploads().stored().aggregate(count=Count("pk"), size=Sum("size_bytes", default=0))
    return Kept(
        count=kept["count"],
        most=limits.STORED_UPLOADS if account.stored_uploads is None else account.stored_uploads,
        size_bytes=kept["size"],
        most_bytes=limits.STORED_BYTES if account.stored_bytes is None else account.stored_bytes,
    )


async def take_one(account_id: int) -> None:
    """Count an upload. Raises ApiError rate_limited."""
    wait = await token_bucket.take(Bucket(f"{_BUCKET}:{account_id}", limits.UPLOADS_PER_MINUTE))
    if wait is not None:
        raise ApiError(
            "rate_limited",
            f"This account may send {limits.UPLOADS_PER_MINUTE} uploads per minute.",
            details={"limit": limits.Name.UPLOADS_PER_MINUTE},
            retry_after_seconds=wait.seconds,
        )


@contextmanager
def coming(account_id: int) -> Iterator[None]:
    """An upload is on its way within the block. Raises ApiError rate_limited where as many are as this process takes in at once."""
    if _at_once[account_id] >= limits.UPLOADS_AT_ONCE:
        raise ApiError(
            "rate_limited",
            f"{limits.UPLOADS_AT_ONCE} uploads of this account are coming, as many as may at once.",
            details={"limit": limits.Name.UPLOADS_AT_ONCE},
            retry_after_seconds=limits.BUSY_RETRY_SECONDS,
        )
    _at_once[account_id] += 1
    try:
        yield
    finally:
        _at_once[account_id] -= 1
        if not _at_once[account_id]:
            del _at_once[account_id]


def admit(account_id: int, *, size_bytes: int) -> None:
    """Whether an upload of at least `size_bytes` would be kept now. Raises ApiError forbidden, with `details.limit`."""
    _check(Account.objects.get(pk=account_id), size_bytes=size_bytes)


def check(account_id: int, *, size_bytes: int) -> None:
    """As `admit`, for good: no other upload of the account is kept until the caller's transaction ends."""
    _check(Account.objects.select_for_update(no_key=True).get(pk=account_id), size_bytes=size_bytes)


def _check(account: Account, *, size_bytes: int) -> None:
    balance = Wallet.objects.filter(account=account).values_list("balance", flat=True).first() or Decimal(0)
    if balance <= 0:
        raise _forbidden("An upload needs a balance above 0 credits.", limits.Name.BALANCE)
    kept = kept_by(account)
    if kept.count >= kept.most:
        raise _forbidden(f"This account may keep {kept.most} uploads. Delete some first.", limits.Name.STORED_UPLOADS)
    if kept.size_bytes + size_bytes > kept.most_bytes:
        size = filesizeformat(kept.most_bytes).replace("\xa0", " ")
        raise _forbidden(f"This account may keep {size} of uploads. Delete some first.", limits.Name.STORED_BYTES)


def _forbidden(message: str, limit: limits.Name) -> ApiError:
    return ApiError("forbidden", message, details={"limit": limit})
