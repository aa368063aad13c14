"""From a received form to a kept upload: what it is, whether there is room for it, and once for an Idempotency-Key."""

from __future__ import annotations

from typing import Final, Protocol

import orjson

from contract.canonical_json import canonical
from contract.errors import ApiError
from tasks_app.models import ArtifactKind
from tasks_app.uploads import fields, quota, storing
from tasks_app.uploads.answers import as_json
from tasks_app.uploads.receiving import Form
from tasks_app.uploads.sniff import NotMediaError
from wallets import answered_once, idempotency
from wallets.answered_once import Answer, answer_once

PATH: Final = "/v1/uploads"


class Sender(Protocol):
    """Who sends an upload: the caller of a key, or an account's owner on the site."""

    @property
    def account_id(self) -> int: ...

    @property
    def wallet_id(self) -> int: ...


def admit(caller: Sender, *, key: str | None, size_bytes: int) -> None:
    """Whether a body of at least `size_bytes` is to be read. An answer that is stored under the key is given whatever there is room for.

    Raises ApiError forbidden.
    """
    if key is None or not _was_used(key, caller):
        quota.admit(caller.account_id, size_bytes=size_bytes)


def keep(form: Form, caller: Sender, *, key: str | None) -> Answer:
    """Keep the file of `form`, which is closed then. Blocks: for a thread, outside of transactions.

    Raises ApiError: unsupported_media_type, invalid_request, forbidden, idempotency_conflict, idempotency_in_progress,
    storing.StorageAwayError.
    """
    with form.file:
        wanted = fields.read(form.fields)
        body = canonical({"fields": form.fields, "sha256": form.sha256})
        if key is not None and (stored := answered_once.stored(_keyed(key, caller, body))) is not None:
            return stored
        try:
            content = storing.examine(form.file)
        except NotMediaError as error:
            raise ApiError("unsupported_media_type", str(error), param="/file") from None
        wanted.check(content.sniffed)

        def run() -> Answer:
            quota.check(caller.account_id, size_bytes=content.size_bytes)
            artifact = storing.record(
                content,
                name,
                account_id=caller.account_id,
                kind=ArtifactKind.UPLOAD,
                purpose=wanted.purpose,
                filename=form.filename,
                metadata=wanted.metadata,
            )
            return Answer(200, orjson.dumps(as_json(artifact)))

        with storing.placed(form.file) as name:
            # What is replayed records nothing, and the bytes go again
            return answer_once(run, wallet_id=caller.wallet_id, key=key, method="POST", path=PATH, body=body)


def _was_used(key: str, caller: Sender) -> bool:
    """Whether an answer is stored under the key, to whatever body: this one is yet to come."""
    try:
        return answered_once.stored(_keyed(key, caller, b"")) is not None
    except ApiError:
        return True


def _keyed(key: str, caller: Sender, body: bytes) -> idempotency.KeyedRequest:
    return idempotency.keyed_bytes(key, wallet_id=caller.wallet_id, method="POST", path=PATH, body=body)
