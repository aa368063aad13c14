"""One chat call from admission to charge: hold, ask the provider, settle, answer.

The order is what makes the money exact: the hold is committed before the provider is called, the charge before the caller is answered,
and every way out of here ends the hold exactly once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from decimal import Decimal
from typing import Any

import psycopg
from django.conf import settings

from catalog import pricing
from catalog.cost import cost_usd
from chat import usage
from chat.admission import Call, hold
from chat.upstream import Answer, UpstreamCall, transport_of
from chat.upstream.errors import ContextTooLong, UpstreamError
from contract.errors import ApiError
from wallets import committer
from wallets.holds import Release, Settled, Settlement
from wallets.money import as_text

logger = logging.getLogger(__name__)


async def run(call: Call) -> dict[str, Any]:
    """Hold, ask, settle; the answer's body. Runs in a task of its own (`chat.lifetime.spawn`).

    Raises `ApiError`: insufficient_balance or rate_limited when the hold is refused, the provider's failure by its own code,
    billing_failed when the charge could not be recorded. Whatever it raises, nothing is charged and nothing stays held.
    """
    clause = "not_sent"
    try:
        await hold(call)
        clause = "upstream_failed"
        answer = await _ask(call)
        clause = "lost"
        return await _charge(call, answer)
    except UpstreamError as error:
        await _release(call, clause=clause, outcome=error.code)
        raise _api_error(call, error) from None
    except ApiError as error:
        if error.code not in ("insufficient_balance", "rate_limited"):
            await _release(call, clause=clause, outcome=error.code)
        raise
    except asyncio.CancelledError:
        await _release(call, clause="lost", outcome="canceled")
        raise
    except Exception:
        await _release(call, clause=clause, outcome="internal_error")
        raise


async def _ask(call: Call) -> Answer:
    """One try. It stands on the receipt, whatever comes of it."""
    began = time.monotonic()
    attempt: dict[str, Any] = {"model": call.model.id, "route": call.route.name, "outcome": "answered"}
    try:
        return await transport_of(call.route).complete(
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


async def _charge(call: Call, answer: Answer) -> dict[str, Any]:
    """Settle what `answer` costs and make the body of it."""
    most = call.most_completion_tokens
    alert = usage.refusal(answer.usage, context_window=call.model.context_window, most_completion_tokens=most)
    estimated = bool(alert)
    if estimated:
        counted = usage.estimated(answer.choices, prompt_tokens=call.prompt_tokens, most_completion_tokens=most)
    else:
        counted = usage.believed(answer.usage)
    cost = cost_usd(call.route.cost, counted)
    credits = pricing.charge_credits(cost, credits_per_litellm_usd=call.model.price.credits_per_litellm_usd)
    clause = "drained" if call.caller_left else "complete"
    if not estimated and counted.completion_tokens == 0:
        clause, credits = "empty", Decimal("0.0000")
        alert = "0 output tokens beside an output" if usage.has_output(answer.choices) else ""
    elif cost == 0:
        alert = alert or "a cost of 0"
    if alert:
        logger.error("usage alert: %s", alert, extra={"route": call.route.name, "usage_id": call.id})
    settled = await _settle(
        Settlement(
            usage_id=call.id,
            wallet_id=call.caller.wallet_id,
            credits=credits,
            cost_usd=cost,
            absorbed_cost_usd=cost if clause == "empty" else Decimal(0),
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
            cost_source=call.route.cost.source,
            attempts=call.attempts,
            latency_ms=call.latency_ms,
            first_output_ms=None,
        )
    )
    return {
        "id": call.id,
        "object": "chat.completion",
        "created": call.created,
        "model": call.model.id,
        "choices": answer.choices,
        "usage": {
            "prompt_tokens": counted.prompt_tokens,
            "completion_tokens": counted.completion_tokens,
            "total_tokens": counted.prompt_tokens + counted.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": counted.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": counted.reasoning_tokens},
            "credits": as_text(credits),
            "credits_usd_reference": as_text(settled.credits_usd_reference),
        },
    }


async def _settle(settlement: Settlement) -> Settled:
    """Record the charge. Raises `ApiError` billing_failed when it could not be, or when the record was closed by somebody else."""
    try:
        settled = await committer.settle(settlement)
    except psycopg.Error as error:
        logger.error("a charge could not be recorded: %s", type(error).__name__, extra={"usage_id": settlement.usage_id})
        raise ApiError("billing_failed") from None
    if settled.kind != "charged":
        raise ApiError("billing_failed")
    return settled


async def _release(call: Call, *, clause: str, outcome: str) -> None:
    """End the hold with nothing charged. If even that fails, the sweeper ends it when this process is gone."""
    try:
        await committer.release(
            Release(
                usage_id=call.id,
                wallet_id=call.caller.wallet_id,
                clause=clause,
                outcome="failed",
                error_code=outcome,
                attempts=call.attempts,
                absorbed_cost_usd=Decimal(0),
                latency_ms=call.latency_ms,
            )
        )
    except Exception:
        logger.exception("a hold could not be released", extra={"usage_id": call.id})


def _api_error(call: Call, error: UpstreamError) -> ApiError:
    """The provider's failure in the contract's words."""
    message = None
    if isinstance(error, ContextTooLong):
        message = f"This model's maximum context length is {call.model.context_window} tokens."
    elif error.code == "model_unavailable" and call.request.model != "auto":
        message = f'{call.model.id} is overloaded; retry later or with model "auto".'
    return ApiError(error.code, message, retry_after_seconds=error.retry_after_seconds)
