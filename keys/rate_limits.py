"""How many requests a minute a key and its account may send: every authenticated request under /v1 takes a token of each.

A request that is refused for it takes none. The figures are the key's own, if it has one, and the account's, or else what every
account has (contract/limits.py).
"""

from __future__ import annotations

from contract import limits, token_bucket
from contract.bucket import Bucket, Wait
from contract.errors import ApiError
from keys.caller import Caller

_KEY = "beatra:requests:key"
_ACCOUNT = "beatra:requests:account"


async def take(caller: Caller) -> None:
    """Count a request of `caller`. Raises ApiError rate_limited, with the seconds until it would not be refused."""
    _obey(await token_bucket.take(*_buckets(caller)))


def take_sync(caller: Caller) -> None:
    """`take` for threads."""
    _obey(token_bucket.take_sync(*_buckets(caller)))


def _buckets(caller: Caller) -> list[Bucket]:
    of_account = caller.account_requests_per_minute
    buckets = [Bucket(f"{_ACCOUNT}:{caller.account_id}", limits.REQUESTS_PER_MINUTE if of_account is None else of_account)]
    if caller.requests_per_minute is not None:
        buckets.append(Bucket(f"{_KEY}:{caller.key_id}", caller.requests_per_minute))
    return buckets


def _obey(wait: Wait | None) -> None:
    if wait is None:
        return
    is_key = wait.bucket.key.startswith(_KEY)
    raise ApiError(
        "rate_limited",
        f"This {'key' if is_key else 'account'} may send {wait.bucket.most} requests per minute.",
        details={"limit": limits.Name.KEY_REQUESTS_PER_MINUTE if is_key else limits.Name.ACCOUNT_REQUESTS_PER_MINUTE},
        retry_after_seconds=wait.seconds,
    )
