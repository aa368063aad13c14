"""From an answer to its charge: the clause of the billing policy that applies, the credits, and their settlement."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

import psycopg

from catalog import cost, pricing
from chat import envelope, lifetime, usage
from chat.admission import Call, give_back
from contract.errors import ApiError
from wallets import committer
from wallets.holds import Settled, Settlement
from wallets.waiting_row import InDoubtError

logger = logging.getLogger(__name__)
BrokenOff = Literal["stopped", "cut_by_limit"]

# A release that the database did not answer is asked for again after so long
DOUBT_PAUSE_SECONDS = 30.0


async def work_out(
    call: Call, *, texts: Sequence[str], counts: dict[str, Any], broken_off: BrokenOff | None = None, answer: bytes = b""
) -> Settlement:
    """What an answer costs, by which clause of the billing policy.

    `texts` are the output as the caller got it, `counts` the provider's own. An answer that we have `broken_off` is charged, by that
    clause, by our own count of the prompt and of what came. Counts that can't be true or are missing are ours instead, with an alert:
    so an answer without a word and without counts is `empty` too, for nothing came, and its prompt is our cost. `answer` is what is
    stored of it for a retry (`chat.replays`).
    """
    most = call.most_completion_tokens
    alert = "" if broken_off else usage.refusal(counts, context_window=call.model.context_window, most_completion_tokens=most)
    estimated = bool(broken_off or alert)
    if estimated:
        counted = await usage.estimated(call, texts)
    else:
        counted = usage.believed(counts)
    clause: str = broken_off or ("drained" if call.caller_left else "complete")
    await cost.ready(call.route.cost)
    cost_usd, lines = cost.costed(call.route.cost, counted)
    absorbed = call.absorbed_cost_usd
    if counted.completion_tokens == 0 and not broken_off:
        clause, cost_usd, lines, absorbed = "empty", Decimal(0), [], absorbed + cost_usd
        alert = alert or ("0 output tokens beside an output" if any(texts) else "")
    elif cost_usd == 0:
        alert = alert or "a cost of 0"
    if alert:
        logger.error("usage alert: %s", alert, extra={"route": call.route.name, "usage_id": call.id})
    return Settlement(
        usage_id=call.id,
        wallet_id=call.caller.wallet_id,
        credits=pricing.charge_credits(cost_usd, credits_per_litellm_usd=call.model.price.credits_per_litellm_usd),
        cost_usd=cost_usd,
        absorbed_cost_usd=absorbed,
        cost_source=call.route.cost.source,
        cost_lines=lines if cost_usd else [],
        clause=clause,
        outcome="answered",
        model=call.model.id,
        route=call.route.name,
        prompt_tokens=counted.prompt_tokens,
        cached_tokens=counted.cached_tokens,
        cache_write_tokens=counted.cache_write_tokens,
        completion_tokens=counted.completion_tokens,
        reasoning_tokens=counted.reasoning_tokens,
        estimated=estimated,
        alert=alert,
        attempts=call.attempts,
        latency_ms=call.latency_ms,
        first_output_ms=call.first_output_ms,
        answer=answer,
    )


async def absorb(call: Call) -> None:
    """Take the cost of the try at hand for ours, by our own count of the prompt and of what came: its provider may bill it, nobody pays.

    That it can't be worked out must not keep the hold.
    """
    try:
        counted = await usage.estimated(call, call.texts)
        await cost.ready(call.route.cost)
        call.absorbed_cost_usd += cost.costed(call.route.cost, counted)[0]
    except Exception as error:
        logger.error("the cost of a failed call is not known: %s", type(error).__name__, extra={"usage_id": call.id})


async def settle(call: Call, settlement: Settlement) -> Settled:
    """Record the charge; nothing stops it, not even the task's cancellation: an answer that is paid for is given.

    Raises `ApiError` billing_failed when it could not be recorded, or when the record was closed by somebody else; service_unavailable
    when that can't be told.
    """
    return await lifetime.to_its_end(_settle(call, settlement))


async def _settle(call: Call, settlement: Settlement) -> Settled:
    call.absorbed_cost_usd = settlement.cost_usd + settlement.absorbed_cost_usd  # unless it is charged
    try:
        settled = await committer.settle(settlement)
    except InDoubtError:
        logger.error("whether a charge was recorded is not known", extra={"usage_id": call.id})
        lifetime.spawn(_end_doubt(call))
        raise ApiError(
            "service_unavailable", f"Whether this call was charged is not known yet: GET /v1/usage/{call.id} will tell."
        ) from None
    except Exception as error:  # the database is away, or a fault of ours: no hold may stay behind
        logger.error(
            "a charge could not be recorded: %s",
            type(error).__name__,
            extra={"usage_id": call.id},
            exc_info=None if isinstance(error, psycopg.Error) else error,
        )
        await give_back(call, clause="lost", error_code="billing_failed")
        raise ApiError("billing_failed") from None
    if settled.kind != "charged":
        logger.error(
            "a charge came too late, its record was closed: it cost us %s USD", call.absorbed_cost_usd, extra={"usage_id": call.id}
        )
        raise ApiError("billing_failed")
    return settled


async def _end_doubt(call: Call) -> None:
    """Give back what is still held for a call whose charge is in doubt, and say so if it had been charged: its caller was told that it
    failed, and only staff can make up for that."""
    while (ended := await give_back(call, clause="lost", error_code="service_unavailable")) is None:  # noqa: ASYNC110  # no event tells it
        await asyncio.sleep(DOUBT_PAUSE_SECONDS)
    if ended.kind == "closed":
        logger.error(
            "a call that was answered as failed had been charged: refund it, unless a retry got the answer", extra={"usage_id": call.id}
        )


def usage_of(settlement: Settlement, settled: Settled) -> dict[str, Any]:
    """The `usage` of the answer that was charged."""
    return envelope.usage(settlement, credits=settlement.credits, credits_usd_reference=settled.credits_usd_reference)
