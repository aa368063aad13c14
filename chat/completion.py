"""One chat call from admission to charge: hold, ask the provider, settle, answer.

The order is what makes the money exact: the hold is committed before the provider is called, the charge before the caller is answered,
and every way out of here ends the hold exactly once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
from django.conf import settings

from catalog import pricing, routing, snapshot, tokens
from catalog.cost import cost_usd
from catalog.snapshot import ModelInfo, RouteInfo
from chat import usage
from chat.schema import ChatRequest, unsupported
from chat.upstream import Answer, UpstreamCall, transport_of
from chat.upstream.errors import ContextTooLong, UpstreamError
from contract.errors import ApiError
from contract.ids import new_id
from keys.authentication import Caller
from wallets import committer, heartbeat
from wallets.holds import Hold, Release, Settled, Settlement, Verdict
from wallets.money import as_text

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Call:
    """A call under way: who asks for what, where it goes, and what it may cost. The prices of its hold count to its end.

    `fields` is OpenAI's JSON for the provider, `limit` output tokens per choice, `prompt_tokens` our estimate.
    """

    caller: Caller
    request: ChatRequest
    request_id: str
    model: ModelInfo
    route: RouteInfo
    fields: dict[str, Any]
    prompt_tokens: int
    limit: int
    hold_credits: Decimal
    id: str = field(default_factory=lambda: new_id("chatcmpl"))
    created: int = field(default_factory=lambda: int(time.time()))
    started: float = field(default_factory=time.monotonic)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    caller_left: bool = False

    @property
    def latency_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    @property
    def most_completion_tokens(self) -> int:
        return self.limit * self.request.choices


async def prepare(caller: Caller, request: ChatRequest, *, request_id: str) -> Call:
    """The call with its route, output limit and hold worked out; nothing is held yet.

    Raises `ApiError` unsupported_model, unsupported_option or context_length_exceeded.
    """
    catalog = await snapshot.current()
    fields = request.wire()
    model, route = routing.candidates(
        catalog, request.model, fields=_asked(request, fields), allowed=caller.models, temperature=request.temperature
    )[0]
    _fit(fields, request, model)
    prompt_tokens = await _estimate(fields, model)
    limit = pricing.output_limit(model, asked=request.output_limit, prompt_tokens=prompt_tokens)
    return Call(
        caller=caller,
        request=request,
        request_id=request_id,
        model=model,
        route=route,
        fields=fields,
        prompt_tokens=prompt_tokens,
        limit=limit,
        hold_credits=pricing.hold_credits(model, route, prompt_tokens=prompt_tokens, limit=limit, n=request.choices),
    )


def _asked(request: ChatRequest, fields: dict[str, Any]) -> frozenset[str]:
    """What a model must be able to take: the fields given, and `image_url` for a message with an image. A seed is but a hint."""
    return frozenset(fields) - {"messages", "seed"} | ({"image_url"} if request.images else set())


def _fit(fields: dict[str, Any], request: ChatRequest, model: ModelInfo) -> None:
    """Bring `fields` within what `model` takes: a temperature below its minimum is raised to it, a seed may be dropped."""
    if request.model_options:
        raise unsupported([f"model_options.{name}" for name in request.model_options], model=model.id)
    if "temperature" in fields:
        fields["temperature"] = max(fields["temperature"], float(model.temperature_min))
    if "seed" not in model.supported_fields:
        fields.pop("seed", None)


async def _estimate(fields: dict[str, Any], model: ModelInfo) -> int:
    """The prompt in tokens, by our own count; a long one in a thread, for the loop has other callers."""
    estimate = partial(
        tokens.estimate_prompt,
        fields["messages"],
        tools=fields.get("tools"),
        response_format=fields.get("response_format"),
        tokens_per_image=model.tokens_per_image,
        ceiling=model.context_window,
    )
    characters = sum(len(str(message.get("content", ""))) for message in fields["messages"])
    return await asyncio.to_thread(estimate) if characters > tokens.LONG_CHARACTERS or "tools" in fields else estimate()


async def run(call: Call) -> dict[str, Any]:
    """Hold, ask, settle; the answer's body. Runs in a task of its own (`chat.lifetime.spawn`).

    Raises `ApiError`: insufficient_balance or rate_limited when the hold is refused, the provider's failure by its own code,
    billing_failed when the charge could not be recorded. Whatever it raises, nothing is charged and nothing stays held.
    """
    clause = "not_sent"
    try:
        await _hold(call)
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


async def _hold(call: Call) -> None:
    verdict = await committer.place(
        Hold(
            usage_id=call.id,
            wallet_id=call.caller.wallet_id,
            credits=call.hold_credits,
            process_id=heartbeat.process_id(),
            request_id=call.request_id,
            key_id=call.caller.key_id,
            key_prefix=call.caller.key_prefix,
            key_name=call.caller.key_name,
            capability="chat",
            model_asked=call.request.model,
            model=call.model.id,
            route=call.route.name,
            credits_per_litellm_usd=call.model.price.credits_per_litellm_usd,
            price_version=call.model.price.version,
            stream=False,
            metadata=call.request.metadata or {},
        )
    )
    match verdict.kind:
        case "held":
            return
        case "insufficient":
            raise _insufficient(call, verdict)
        case "busy":
            message = "The wallet is held by calls in flight; retry when one of them has ended."
        case _:
            message = "Too many calls in flight for this account; retry when one of them has ended."
    raise ApiError("rate_limited", message, retry_after_seconds=2)


def _insufficient(call: Call, verdict: Verdict) -> ApiError:
    available = verdict.available_credits
    affordable = pricing.affordable_output_tokens(
        call.model, call.route, prompt_tokens=call.prompt_tokens, n=call.request.choices, available_credits=available
    )
    return ApiError(
        "insufficient_balance",
        f"This call may cost {as_text(call.hold_credits)} credits; the wallet has {as_text(available)}.",
        details={
            "required_credits": as_text(call.hold_credits),
            "available_credits": as_text(available),
            "affordable_output_tokens": affordable,
            "topup_url": settings.TOPUP_URL,
        },
    )


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
