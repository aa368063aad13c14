"""One chat call from hold to charge: hold, ask the provider, settle, answer.

The order is what makes the money exact: the hold is committed before the provider is called, the charge before the caller is answered,
and every way out of here ends the hold exactly once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any, TypeVar

import psycopg
from django.conf import settings

from catalog import pricing
from catalog.cost import cost_lines, cost_usd
from chat import usage
from chat.admission import Call, give_back, hold
from chat.upstream import Answer, Upstream, UpstreamCall
from chat.upstream.errors import ContextTooLong, UpstreamError
from chat.upstream.litellm import LiteLLMTransport
from contract.errors import ApiError
from wallets import committer
from wallets.holds import Settled, Settlement
from wallets.money import as_text

logger = logging.getLogger(__name__)
T = TypeVar("T")
_upstream: Upstream = LiteLLMTransport()


async def run(call: Call) -> dict[str, Any]:
    """Hold, ask, settle; the answer's body. Runs in a task of its own (`chat.lifetime.spawn`).

    Raises `ApiError`: insufficient_balance or rate_limited when the hold is refused, the provider's failure by its own code,
    billing_failed when the charge could not be recorded. Whatever it raises, nothing is charged and nothing stays held.
    """
    await hold(call)
    try:
        answer = await _ask(call)
        settlement = _work_out(call, answer)
    except UpstreamError as error:
        await give_back(call, clause="upstream_failed", error_code=error.code)
        raise _api_error(call, error) from None
    except BaseException:  # a shutdown that can't wait, or a fault of ours
        await give_back(call, clause="lost", error_code="internal_error")
        raise
    # From here on nothing stops it: an answer that is paid for is given.
    settled = await _to_its_end(_settle(call, settlement))
    return _body(call, answer, settlement, settled)


async def _ask(call: Call) -> Answer:
    """One try. It stands on the receipt, whatever comes of it."""
    began = time.monotonic()
    attempt: dict[str, Any] = {"model": call.model.id, "route": call.route.name, "outcome": "answered"}
    try:
        return await _upstream.complete(
            UpstreamCall(
                route=call.route,
                fields=call.fields,
                limit=call.limit,
                connect_seconds=settings.CHAT_CONNECT_SECONDS,
                total_seconds=settings.CHAT_TOTAL_SECONDS,
            )
        )
    except UpstreamError as error:
        attempt.update(outcome=error.code, status=error.status)
        logger.log(logging.ERROR if error.alert else logging.WARNING, "upstream failed: %s", error.reason, extra={"route": call.route.name})
        raise
    finally:
        attempt["ms"] = round((time.monotonic() - began) * 1000)
        call.attempts.append(attempt)


def _work_out(call: Call, answer: Answer) -> Settlement:
    """What `answer` costs, by which clause of the billing policy."""
    most = call.most_completion_tokens
    alert = usage.refusal(answer.usage, context_window=call.model.context_window, most_completion_tokens=most)
    estimated = bool(alert)
    if estimated:
        counted = usage.estimated(answer.choices, prompt_tokens=call.prompt_tokens, most_completion_tokens=most)
    else:
        counted = usage.believed(answer.usage)
    clause = "drained" if call.caller_left else "complete"
    cost, absorbed = cost_usd(call.route.cost, counted), Decimal(0)
    if not estimated and counted.completion_tokens == 0:
        clause, cost, absorbed = "empty", Decimal(0), cost
        alert = "0 output tokens beside an output" if usage.has_output(answer.choices) else ""
    elif cost == 0:
        alert = alert or "a cost of 0"
    if alert:
        logger.error("usage alert: %s", alert, extra={"route": call.route.name, "usage_id": call.id})
    return Settlement(
        usage_id=call.id,
        wallet_id=call.caller.wallet_id,
        credits=pricing.charge_credits(cost, credits_per_litellm_usd=call.model.price.credits_per_litellm_usd),
        cost_usd=cost,
        absorbed_cost_usd=absorbed,
        cost_source=call.route.cost.source,
        cost_lines=cost_lines(call.route.cost, counted) if cost else [],
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
    )


async def _settle(call: Call, settlement: Settlement) -> Settled:
    """Record the charge. Raises `ApiError` billing_failed when it could not be, or when the record was closed by somebody else."""
    try:
        settled = await committer.settle(settlement)
    except psycopg.Error as error:
        logger.error("a charge could not be recorded: %s", type(error).__name__, extra={"usage_id": call.id})
        released = await give_back(call, clause="lost", error_code="billing_failed")
        if released is None or released.kind == "released":
            raise ApiError("billing_failed") from None
        # Nothing to give back: the charge had been recorded, only its acknowledgement was lost.
        settled = await committer.settle(settlement)
    if settled.kind != "charged":
        raise ApiError("billing_failed")
    return settled


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, also when this task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        return await task


def _body(call: Call, answer: Answer, settlement: Settlement, settled: Settled) -> dict[str, Any]:
    """The answer as OpenAI shapes it, with its price."""
    return {
        "id": call.id,
        "object": "chat.completion",
        "created": call.created,
        "model": call.model.id,
        "choices": answer.choices,
        "usage": {
            "prompt_tokens": settlement.prompt_tokens,
            "completion_tokens": settlement.completion_tokens,
            "total_tokens": settlement.prompt_tokens + settlement.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": settlement.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": settlement.reasoning_tokens},
            "credits": as_text(settlement.credits),
            "credits_usd_reference": as_text(settled.credits_usd_reference),
        },
    }


def _api_error(call: Call, error: UpstreamError) -> ApiError:
    """The provider's failure in the contract's words."""
    message = None
    if isinstance(error, ContextTooLong):
        message = f"This model's maximum context length is {call.model.context_window} tokens."
    elif error.code == "model_unavailable" and call.request.model != "auto":
        message = f'{call.model.id} is overloaded; retry later or with model "auto".'
    return ApiError(error.code, message, retry_after_seconds=error.retry_after_seconds)
