"""What is paid before it runs, at a flat price: a task is charged in the transaction that creates it.

`pay` goes the way of every call, a hold and its charge (wallets/statements), at one go: so balance, spend caps, calls in flight and the
Idempotency-Key are judged by the same code. The task's usage record is charged from then on and learns by `conclude` what became of the
task; what it gives back goes by wallets/refunds.py, in the transaction that ends the task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from wallets import holds
from wallets.idempotency import KeyedRequest
from wallets.models import IdempotencyKey, UsageRecord
from wallets.rows_and_verdicts import Hold, Settlement, Verdict


def pay(hold: Hold) -> Verdict:
    """Charge `hold.credits` for the task `hold.usage_id`, in the caller's transaction (it must be in one).

    The verdict is that of a hold: `held` means charged, after any other nothing has changed.
    Raises holds.NoRateError, OperationalError when the wallet is locked for too long.
    """
    [verdict] = holds.place([hold])
    if verdict.kind != "held":
        return verdict
    # Now, while it is open: the receipt of a task may be completed later, that of any other call is final
    UsageRecord.objects.filter(pk=hold.usage_id).update(task_id=hold.usage_id)
    settlement = Settlement(
        usage_id=hold.usage_id,
        wallet_id=hold.wallet_id,
        credits=hold.credits,
        cost_usd=Decimal(0),
        clause="",
        outcome="",
    )
    [settled] = holds.settle([settlement])
    if settled.kind != "charged":
        raise RuntimeError(f"task {hold.usage_id} was not charged: its record is {settled.kind}")
    return verdict


def keep_answer(request: KeyedRequest, answer: bytes, *, usage_id: str) -> None:
    """Store what a retry under the request's Idempotency-Key is given, sealed; in the transaction of `pay`, whose charge may be in it."""
    IdempotencyKey.objects.filter(usage_id=usage_id).update(answer=request.seal(answer, usage_id=usage_id))


def conclude(
    usage_id: str,
    *,
    clause: str,
    outcome: str,
    error_code: str = "",
    route: str = "",
    attempts: Sequence[Mapping[str, Any]] = (),
    cost_usd: Decimal = Decimal(0),
    absorbed_cost_usd: Decimal = Decimal(0),
    latency_ms: int | None = None,
) -> None:
    """Write on a task's receipt what became of it, in the transaction that ends it, which has locked the wallet.

    `cost_usd` is what a task that was delivered cost us, `absorbed_cost_usd` what tries cost that nobody pays for; as far as staff have
    said (Price.provider_cost_usd). `attempts` are JSON objects, `latency_ms` milliseconds from the request to the end.
    """
    UsageRecord.objects.filter(pk=usage_id).update(
        clause=clause,
        outcome=outcome,
        error_code=error_code,
        route=route,
        attempts=list(attempts),
        cost_usd=cost_usd,
        absorbed_cost_usd=absorbed_cost_usd,
        latency_ms=latency_ms,
    )
