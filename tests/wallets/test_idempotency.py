"""An Idempotency-Key beside the money: reserved with the hold, answered with the charge, gone with a release and after its window."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F

from contract.errors import ApiError
from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, new_id, now
from wallets import holds, idempotency, packing, pool, sealing
from wallets.idempotency import KeyedRequest, StoredAnswer, expire, expire_task, keyed_request
from wallets.models import IdempotencyKey, UsageRecord, Wallet

BODY = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}
pytestmark = pytest.mark.usefixtures("clean_books")


def on_a_pool(work: Any) -> Any:
    async def opened() -> Any:
        await pool.open()
        try:
            return await work
        finally:
            await pool.close()

    return asyncio.run(opened())


def stored(request: KeyedRequest) -> StoredAnswer | None:
    found: StoredAnswer | None = on_a_pool(idempotency.stored(request))
    return found


def refused(request: KeyedRequest) -> str:
    with pytest.raises(ApiError) as refusal:
        stored(request)
    return refusal.value.code


def requested(wallet: Wallet, *, key: str = "mine", body: dict[str, Any] | None = None) -> KeyedRequest:
    return keyed_request(key, wallet_id=wallet.pk, method="POST", path="/v1/chat/completions", body=body or BODY)


def placed(wallet: Wallet, request: KeyedRequest, **fields: Any) -> holds.Hold:
    held = hold(wallet, 5, reservation=request.reservation, **fields)
    assert [verdict.kind for verdict in holds.place([held])] == ["held"]
    return held


def answered(held: holds.Hold, request: KeyedRequest, answer: bytes = b"an answer", **fields: Any) -> None:
    sealed = request.seal(answer, usage_id=held.usage_id)
    assert [answer.kind for answer in holds.settle([charge(held, 2, answer=sealed, **fields)])] == ["charged"]


def over(wallet: Wallet) -> None:
    """The window of the wallet's keys is over."""
    IdempotencyKey.objects.filter(wallet=wallet).update(created_at=F("created_at") - timedelta(days=2), expires_at=F("created_at"))


@pytest.fixture
def wallet(committed: None) -> Wallet:
    wallet: Wallet = WalletFactory(balance=10)
    return wallet


def test_an_unused_key_has_no_answer(wallet: Wallet):
    assert stored(requested(wallet)) is None


def test_a_request_is_in_progress_until_it_is_charged_and_has_its_answer_then(wallet: Wallet):
    request = requested(wallet)
    held = placed(wallet, request, model="asked")
    assert refused(request) == "idempotency_in_progress"
    answered(held, request, model="answered", prompt_tokens=7, cached_tokens=1, completion_tokens=5, reasoning_tokens=2)
    found = stored(request)
    assert found is not None
    assert (found.answer, found.usage_id, found.model, found.stream) == (b"an answer", held.usage_id, "answered", False)
    assert (found.prompt_tokens, found.cached_tokens, found.completion_tokens, found.reasoning_tokens) == (7, 1, 5, 2)
    assert (str(found.credits), str(found.credits_usd_reference)) == ("2.0000", "0.0020")


def test_another_body_is_a_conflict_running_or_answered(wallet: Wallet):
    request, other = requested(wallet), requested(wallet, body={**BODY, "n": 2})
    held = placed(wallet, request)
    assert refused(other) == "idempotency_conflict"
    answered(held, request)
    assert refused(other) == "idempotency_conflict"


def test_the_same_body_may_be_written_otherwise(wallet: Wallet):
    request = requested(wallet, body={**BODY, "n": 1})
    answered(placed(wallet, request), request)
    assert stored(requested(wallet, body={"n": 1.0, "user": None, **BODY})) is not None


def test_a_key_is_another_in_another_account(wallet: Wallet):
    request = requested(wallet)
    answered(placed(wallet, request), request)
    assert stored(requested(WalletFactory(balance=10))) is None


def test_a_hold_under_a_used_key_is_told_what_the_look_up_says(wallet: Wallet):
    """Two that looked at the same time: the second hold finds what its look-up could not."""
    request, other = requested(wallet), requested(wallet, body={**BODY, "n": 2})

    def verdicts() -> list[str]:
        both = [hold(wallet, 1, reservation=each.reservation) for each in (request, other)]
        return [verdict.kind for verdict in holds.place(both)]

    held = placed(wallet, request)
    assert verdicts() == ["in_progress", "conflict"]
    answered(held, request)
    assert verdicts() == ["replay", "conflict"]
    assert now(wallet) == (8, 0, 0)


def test_a_release_frees_the_key(wallet: Wallet):
    request = requested(wallet)
    held = placed(wallet, request)
    holds.release([giving_back(held)])
    assert stored(request) is None
    answered(placed(wallet, request), request)
    assert stored(request) is not None


def test_after_its_window_a_key_is_new(wallet: Wallet):
    request = requested(wallet)
    answered(placed(wallet, request), request)
    over(wallet)
    assert stored(request) is None
    other = requested(wallet, body={**BODY, "n": 2})
    answered(placed(wallet, other), other, b"another")
    found = stored(other)
    assert found is not None
    assert found.answer == b"another"
    assert IdempotencyKey.objects.filter(wallet=wallet).count() == 1


def test_the_window_is_24_hours(wallet: Wallet):
    placed(wallet, requested(wallet))
    row = IdempotencyKey.objects.get(wallet=wallet)
    assert row.expires_at - row.created_at == timedelta(hours=24)
    holds.release([holds.Release(usage_id=row.usage_id or "", wallet_id=wallet.pk, clause="not_sent", outcome="failed")])


def test_neither_key_nor_body_nor_answer_can_be_read_in_the_table(wallet: Wallet):
    request = requested(wallet, key="the-caller-s-key")
    answered(placed(wallet, request), request, b"the answer of the model")
    (row,) = IdempotencyKey.objects.filter(wallet=wallet).values()
    written = repr({name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()})
    for secret in ("the-caller-s-key", "Hello", "answer of the model"):
        assert secret not in written
    stolen = KeyedRequest(key="another", wallet_id=wallet.pk, digest=row["digest"], fingerprint=row["fingerprint"])
    assert refused(stolen) == "idempotency_conflict"


def test_an_answer_too_large_to_keep_is_charged_and_its_retry_is_told_where_the_receipt_is(wallet: Wallet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packing, "MOST_BYTES", 10_000)
    request = requested(wallet)
    held = placed(wallet, request)
    answered(held, request, os.urandom(20_000))
    assert now(wallet) == (8, 0, 0)
    with pytest.raises(ApiError, match=f"too large to keep; GET /v1/usage/{held.usage_id}") as refusal:
        stored(request)
    assert (refusal.value.code, refusal.value.row.retryable) == ("idempotency_conflict", False)
    assert len(IdempotencyKey.objects.get(wallet=wallet).answer or b"") < 100


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_an_answer_sealed_before_answers_were_compressed_still_opens(wallet: Wallet, size: int):
    request = requested(wallet)
    held = placed(wallet, request)
    plain = b'{"choices": "%b"}' % (b"x" * size)
    sealed = sealing.seal(plain, key=request.key, usage_id=held.usage_id, wallet_id=wallet.pk)
    assert [answer.kind for answer in holds.settle([charge(held, 2, answer=sealed)])] == ["charged"]
    found = stored(request)
    assert found is not None
    assert found.answer == plain


def test_a_large_answer_comes_out_as_it_went_in(wallet: Wallet):
    request, answer = requested(wallet), os.urandom(1_000_000)
    answered(placed(wallet, request), request, answer)
    found = stored(request)
    assert found is not None
    assert found.answer == answer


def test_a_key_stays_out_of_what_is_logged(wallet: Wallet):
    assert "mine" not in repr(requested(wallet))


def test_a_replay_is_a_record_of_its_own_that_costs_nothing(wallet: Wallet):
    request = requested(wallet)
    held = placed(wallet, request, model_asked="auto", model="m", route="r", stream=True, metadata={"order": "7"}, key_name="first")
    answered(held, request)
    found = stored(request)
    assert found is not None
    id = new_id()
    for _ in range(2):  # the second time after an answer that was lost
        on_a_pool(idempotency.record(found, id=id, request_id="again", key_id=3, key_prefix="sk-bt-x", key_name="second"))
    record = UsageRecord.objects.get(pk=id)
    assert (record.wallet_id, record.status, record.clause, record.outcome) == (wallet.pk, "released", "replay", "replayed")
    assert (record.replay_of, record.request_id, record.key_id, record.key_name) == (held.usage_id, "again", 3, "second")
    assert (record.model_asked, record.model, record.stream, record.metadata) == ("auto", "m", True, {"order": "7"})
    assert (record.hold_credits, record.charged_credits, record.prompt_tokens) == (0, 0, 0)
    assert record.created_at == record.closed_at
    assert now(wallet) == (8, 0, 0)


def test_what_is_past_its_window_is_erased_in_batches_and_the_rest_stays(committed: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wallets.idempotency.BATCH", 2)
    wallet = WalletFactory(balance=100)
    for number in range(5):
        request = requested(wallet, key=f"key-{number}")
        answered(placed(wallet, request), request)
        if number == 2:
            over(wallet)
    assert expire() >= 3
    assert IdempotencyKey.objects.filter(wallet=wallet).count() == 2


def test_beat_erases_by_name_every_ten_minutes():
    (entry,) = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == expire_task.name]
    assert entry["schedule"] == 600
    assert expire_task.__module__ in settings.CELERY_IMPORTS
