"""A request with an Idempotency-Key: reserved once, and answered again from what was stored, for 24 hours.

The key's row is money's: placed with the hold, given its sealed answer with the charge, gone with a release, each in that very
statement (wallets/statements). So of many requests with one key exactly one runs, a failed one leaves nothing in the way of the
next, and no answer is stored that was not charged. Here is the rest: the look-up, the record of a replay, and the end of the window.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final

from celery import shared_task
from django.db import connection

from contract.canonical_json import canonical
from contract.errors import ApiError
from wallets import packing, pool, sealing
from wallets.holds import Reservation

logger = logging.getLogger(__name__)

BATCH = 1000
# Within what OpenAI's SDKs obey, a minute
MOST_PAUSE_SECONDS = 30.0
# Above this a stored answer is opened in a thread: it is compressed, and may be ten times as long
INLINE_BYTES = 32 * 1024
# The header of an answer that is sent again
REPLAYED: Final = {"Idempotent-Replayed": "true"}

_FIND = """
select k.fingerprint = %(fingerprint)s, k.answer, extract(epoch from statement_timestamp() - k.created_at)::float8,
       u.id, u.model, u.stream, u.prompt_tokens, u.cached_tokens, u.completion_tokens, u.reasoning_tokens,
       u.charged_credits, u.credits_usd_reference
  from wallets_idempotencykey k join wallets_usagerecord u on u.id = k.usage_id
 where k.wallet_id = %(wallet_id)s and k.digest = %(digest)s and k.expires_at > statement_timestamp()
"""
# Closed from the start: no hold, no charge. Repeatable by its id
_RECORD = """
insert into wallets_usagerecord (id, wallet_id, request_id, capability, key_id, key_prefix, key_name, model_asked, model, route, stream,
                                 status, outcome, clause, hold_credits, replay_of, metadata, created_at, closed_at)
select %(id)s, u.wallet_id, %(request_id)s, u.capability, %(key_id)s, %(key_prefix)s, %(key_name)s, u.model_asked, u.model, u.route,
       u.stream, 'released', 'replayed', 'replay', 0, u.id, u.metadata, statement_timestamp(), statement_timestamp()
  from wallets_usagerecord u where u.id = %(replay_of)s
on conflict (id) do nothing
"""
# Whoever has a row at hand is not waited for: the next round takes it
_ERASE = """
delete from wallets_idempotencykey where id = any (array(
    select id from wallets_idempotencykey where expires_at <= statement_timestamp() order by expires_at limit %s for update skip locked))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """A request that came with an Idempotency-Key, of the account that has the wallet.

    The `key` itself opens the answer and is kept nowhere; the books know `digest` and `fingerprint` (wallets/sealing.py).
    """

    key: str = field(repr=False)
    wallet_id: int
    digest: str
    fingerprint: str

    @property
    def found_by(self) -> dict[str, Any]:
        return {"wallet_id": self.wallet_id, "digest": self.digest, "fingerprint": self.fingerprint}

    @property
    def reservation(self) -> Reservation:
        """What goes with the hold, so that no other request with this key runs."""
        return Reservation(self.digest, self.fingerprint)

    def seal(self, answer: bytes, *, usage_id: str) -> bytes:
        """The `answer` of the call as it is stored with its charge; of one too large to keep, only that. A large one in a thread."""
        packed = packing.pack(answer)
        return sealing.seal(packed, key=self.key, usage_id=usage_id, wallet_id=self.wallet_id)

    def open(self, sealed: bytes, *, usage_id: str) -> bytes:
        """What `seal` was given. Raises sealing.BrokenSealError, packing.NotKeptError."""
        return packing.unpack(sealing.unseal(sealed, key=self.key, usage_id=usage_id, wallet_id=self.wallet_id))


def keyed_request(key: str, *, wallet_id: int, method: str, path: str, body: dict[str, Any]) -> KeyedRequest:
    """The request to `method` and `path` with `body`, parsed JSON, under `key`. It reads the body through: a large one in a thread."""
    return keyed_bytes(key, wallet_id=wallet_id, method=method, path=path, body=canonical(body))


def keyed_bytes(key: str, *, wallet_id: int, method: str, path: str, body: bytes) -> KeyedRequest:
    """`keyed_request` of a `body` that is in its one spelling already."""
    return KeyedRequest(
        key=key,
        wallet_id=wallet_id,
        digest=sealing.digest(key, wallet_id=wallet_id, method=method, path=path),
        fingerprint=sealing.fingerprint(key, body=body),
    )


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What a request was answered, and charged: `answer` as it was sealed, the rest from its usage record. Credits; tokens."""

    answer: bytes = field(repr=False)
    usage_id: str
    model: str
    stream: bool
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    credits: Decimal
    credits_usd_reference: Decimal


async def stored(request: KeyedRequest) -> StoredAnswer | None:
    """The answer stored for the same request; None if there is none (yet, or any more) and the request is free to run.

    Raises ApiError idempotency_conflict, also for an answer that was too large to keep or can't be opened any more, or
    idempotency_in_progress: to be asked again after as long as the first request has run, so that an SDK's few retries last for a long
    call too.
    """
    async with pool.connection() as connection:
        cursor = await connection.execute(_FIND, request.found_by)
        row = await cursor.fetchone()
    if row is None:
        return None
    sealed = _sealed(row)
    opened = partial(_opened, request, sealed, row)
    return await asyncio.to_thread(opened) if len(sealed) > INLINE_BYTES else opened()


def stored_sync(request: KeyedRequest) -> StoredAnswer | None:
    """`stored` for threads, on Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, request.found_by)
        row = cursor.fetchone()
    return None if row is None else _opened(request, _sealed(row), row)


def _sealed(row: Sequence[Any]) -> bytes:
    """The answer in a row of `_FIND`, as it lies there."""
    is_same, sealed, age_seconds, *_ = row
    if not is_same:
        raise ApiError("idempotency_conflict")
    if sealed is None:
        raise ApiError("idempotency_in_progress", retry_after_seconds=min(age_seconds, MOST_PAUSE_SECONDS))
    return bytes(sealed)


def _opened(request: KeyedRequest, sealed: bytes, row: Sequence[Any]) -> StoredAnswer:
    _, _, _, usage_id, *charged = row
    try:
        return StoredAnswer(request.open(sealed, usage_id=usage_id), usage_id, *charged)
    except packing.NotKeptError:  # another run would be charged again
        raise ApiError(
            "idempotency_conflict", f"The answer for this key was too large to keep; GET /v1/usage/{usage_id} has its receipt."
        ) from None
    except sealing.BrokenSealError:  # no retry would mend it, and another run would be charged again
        logger.error("a stored answer can't be opened", extra={"usage_id": usage_id})
        raise ApiError(
            "idempotency_conflict", f"The answer stored for this key can't be read any more; GET /v1/usage/{usage_id} has what it cost."
        ) from None


async def record(
    replay_of: StoredAnswer, *, id: str, request_id: str, key_id: int | None = None, key_prefix: str = "", key_name: str = ""
) -> None:
    """Put a replay on record as `id`: free, with the request and the key that asked for it."""
    parameters = {"id": id, "replay_of": replay_of.usage_id, "request_id": request_id}
    async with pool.connection() as connection:
        await connection.execute(_RECORD, {**parameters, "key_id": key_id, "key_prefix": key_prefix, "key_name": key_name})


def expire() -> int:
    """Erase the answers and keys whose window is over; returns how many."""
    erased = 0
    with connection.cursor() as cursor:
        more = True
        while more:
            cursor.execute(_ERASE, [BATCH])
            erased += cursor.rowcount
            more = cursor.rowcount == BATCH
    return erased


@shared_task(name="wallets.expire_answers", ignore_result=True)
def expire_task() -> None:
    """Run by beat every 10 minutes."""
    expire()
