"""An Idempotency-Key of a write that is not billed: a cancel, an upload. Done once, and answered again for 24 hours.

    answer = answer_once(run, wallet_id=caller.wallet_id, key=idempotency_key.given(request),
                         method="POST", path=request.path, body=canonical(body))
    return answer.response

The key's row, what `run` writes and the sealed answer are of one transaction. So a write that raises leaves nothing in the way of the
next try, and of racing ones with one key exactly one runs: the others wait for its end, then are given its answer. What is billed has
its key with its charge (wallets/idempotency.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from django.db import connection, transaction
from django.http import HttpResponse

from contract.errors import ApiError
from wallets import idempotency, packing, sealing
from wallets.idempotency import REPLAYED, KeyedRequest
from wallets.models.wallet import WalletBusyError, brief_locks
from wallets.statements.place import KEY_HOURS

logger = logging.getLogger(__name__)

# Over a row whose time is up, of any other `on conflict` waits for the end, and finds out whether it stays
_TAKE = """
insert into wallets_idempotencykey as i (wallet_id, digest, fingerprint, created_at, expires_at)
values (%(wallet_id)s, %(digest)s, %(fingerprint)s, statement_timestamp(), statement_timestamp() + make_interval(hours => %(hours)s))
    on conflict (wallet_id, digest) do update
   set fingerprint = excluded.fingerprint, usage_id = null, process_id = '', answer = null,
       created_at = excluded.created_at, expires_at = excluded.expires_at
 where i.expires_at <= statement_timestamp()
returning id
"""
_KEEP = "update wallets_idempotencykey set answer = %s where id = %s"
_FIND = """
select fingerprint = %(fingerprint)s, answer from wallets_idempotencykey
 where wallet_id = %(wallet_id)s and digest = %(digest)s and expires_at > statement_timestamp()
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write is answered: its status and its body as it is sent, JSON or nothing. `replayed`: it was stored before."""

    status: int
    body: bytes = field(default=b"", repr=False)
    replayed: bool = False

    @property
    def response(self) -> HttpResponse:
        headers: Mapping[str, str] = REPLAYED if self.replayed else {}
        return HttpResponse(self.body, status=self.status, content_type="application/json", headers=dict(headers))


def answer_once(run: Callable[[], Answer], *, wallet_id: int, key: str | None, method: str, path: str, body: bytes) -> Answer:
    """What `run` answers, or, under an Idempotency-Key, what it answered before to the same request.

    `run` is called in a transaction, the caller's where there is one, or not at all; what it raises goes through, and then neither its
    writes nor the key are kept. `key` is the caller's (contract/idempotency_key.py), None for a request without one. `method` and `path`
    are the request's; `body` is what tells two requests apart: canonical JSON (contract/canonical_json.py), of an upload its form fields
    and the file's SHA-256.

    Raises ApiError idempotency_conflict for a key that came with another body, idempotency_in_progress while the first request still
    runs after two seconds.
    """
    if key is None:
        with transaction.atomic():
            return run()
    request = idempotency.keyed_bytes(key, wallet_id=wallet_id, method=method, path=path, body=body)
    with transaction.atomic():
        row_id = _take(request)
        if row_id is None:
            found = stored(request)
            if found is None:  # the row that was in the way has gone in this very moment: the next try runs
                raise ApiError("idempotency_in_progress")
            return found
        answer = run()
        sealed = request.seal(b"%d\n%b" % (answer.status, answer.body), usage_id=request.digest)
        with connection.cursor() as cursor:
            cursor.execute(_KEEP, [sealed, row_id])
    return answer


def stored(request: KeyedRequest) -> Answer | None:
    """The answer that is stored for the request, None if there is none. For a look before something costly is done; `answer_once` does it.

    Raises ApiError idempotency_conflict, also for an answer that can't be read any more.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FIND, request.found_by)
        row = cursor.fetchone()
    if row is None:
        return None
    is_same, sealed = row
    if not is_same:
        raise ApiError("idempotency_conflict")
    try:
        plain = request.open(bytes(sealed), usage_id=request.digest)
    except (packing.NotKeptError, sealing.BrokenSealError):  # another run might do it twice
        logger.error("the stored answer of an unbilled write can't be opened")
        raise ApiError("idempotency_conflict", "The answer stored for this key can't be read any more.") from None
    status, _, body = plain.partition(b"\n")
    return replace(Answer(int(status), body), replayed=True)


def _take(request: KeyedRequest) -> int | None:
    """The id of the key's new row, None if another request has it."""
    try:
        with brief_locks(), connection.cursor() as cursor:
            cursor.execute(_TAKE, {**request.found_by, "hours": KEY_HOURS})
            row = cursor.fetchone()
    except WalletBusyError:
        raise ApiError("idempotency_in_progress") from None
    return None if row is None else row[0]
