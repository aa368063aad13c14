"""Admission: which model and route a request goes to, what it may cost at most, and the hold that secures it.

Every call goes upstream with an output limit, so that the hold is the most it can cost (catalog/pricing.py has the formula).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import psycopg

from catalog import breaker, pricing, routing, snapshot, tokens
from catalog.snapshot import ModelInfo, RouteInfo
from chat import probabilities
from chat.schema import ChatRequest
from chat.stand_ins import stand_in
from contract import limits
from contract.errors import ApiError
from contract.ids import new_id
from keys.caller import Caller
from wallets import committer, heartbeat, refusals
from wallets.holds import Hold, Move, Release, Released, Verdict
from wallets.idempotency import KeyedRequest
from wallets.money import as_text

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Call:
    """A call under way: who asks for what, where it goes, and what it may cost. The prices of its hold count to its end.

    `candidates` are all pairs that may answer, `offer` is the one at hand, which the hold is for, and `others` are those to try after
    it. `fields` is OpenAI's JSON as the caller gave it; what a model gets of it is `chat.fitting`'s. `text_tokens` are the prompt's
    without images, the same for every model, by the count for holds; `is_long`: counting is work for a thread. `end_user` and
    `cache_key` stand for what the caller named (`chat.stand_ins`). `keyed`: it came with an Idempotency-Key, so that its answer is
    finished, and stored, for a retry.

    `texts` is what the try at hand has said so far, `absorbed_cost_usd` what tries that nobody pays for may cost us.
    """

    caller: Caller
    request: ChatRequest
    request_id: str
    fields: dict[str, Any]
    candidates: Sequence[tuple[ModelInfo, RouteInfo]]
    text_tokens: int
    offer: Offer
    others: Iterator[Offer]
    end_user: str | None = None
    cache_key: str | None = None
    keyed: KeyedRequest | None = None
    is_long: bool = False
    id: str = field(default_factory=lambda: new_id("chatcmpl"))
    created: int = field(default_factory=lambda: int(time.time()))
    started: float = field(default_factory=time.monotonic)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    first_output_ms: int | None = None
    caller_left: bool = False
    texts: list[str] = field(default_factory=list)
    absorbed_cost_usd: Decimal = Decimal(0)

    @property
    def model(self) -> ModelInfo:
        return self.offer.model

    @property
    def route(self) -> RouteInfo:
        return self.offer.route

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for the answer any more, nor will: no provider is asked for it then. One who has been asked goes on to
        the end, but for a stream on a route that can be stopped."""
        return self.caller_left and not self.keyed

    @property
    def latency_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    @property
    def most_completion_tokens(self) -> int:
        return self.offer.limit * self.request.choices


async def prepare(caller: Caller, request: ChatRequest, *, request_id: str, long: bool) -> Call:
    """The call with its route, output limit and hold worked out; nothing is held yet. Routes whose breaker is open are passed over.

    A `long` body is worked on in a thread: the loop has other callers.

    Raises `ApiError` unsupported_model, unsupported_option, invalid_request (an option's value, too many log probabilities),
    context_length_exceeded or model_unavailable.
    """
    catalog = await snapshot.current()
    fields = await asyncio.to_thread(request.wire) if long else request.wire()
    options = request.model_options or {}
    candidates = routing.candidates(
        catalog, request.model, fields=_asked(request, fields), allowed=caller.models, temperature=request.temperature, options=options
    )
    text_tokens = await _count(fields, ceiling=max(model.context_window for model, _ in candidates), long=long)
    healthy = (offer for offer in offers(request, candidates, text_tokens=text_tokens) if breaker.is_healthy(offer.route.id))
    offer = next(healthy, None)
    if offer is None:
        raise routing.unavailable(request.model)
    return Call(
        caller=caller,
        request=request,
        request_id=request_id,
        fields=fields,
        end_user=_stand_in(caller, request.safety_identifier or request.user, purpose="end_user"),
        cache_key=_stand_in(caller, request.prompt_cache_key, purpose="cache_key"),
        candidates=candidates,
        text_tokens=text_tokens,
        offer=offer,
        others=healthy,
        is_long=long,
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """What a call would hold with one of its candidates. `limit` is output tokens per choice."""

    model: ModelInfo
    route: RouteInfo
    prompt_tokens: int
    limit: int
    hold_credits: Decimal


def offers(request: ChatRequest, candidates: Sequence[tuple[ModelInfo, RouteInfo]], *, text_tokens: int) -> Iterator[Offer]:
    """The offers of the candidates whose context the prompt fits, and whose output limit the log probabilities asked for, in their order.

    The one place where a hold is worked out: for the first try, for a hold that is moved, for a quote. `text_tokens` are the prompt's
    without images. Raises `ApiError` context_length_exceeded, of the widest model, if the prompt fits none, and invalid_request if there
    would be too many log probabilities with all of them.
    """
    images = request.images
    fits = [pair for pair in candidates if text_tokens + images * pair[0].tokens_per_image < pair[0].context_window]
    is_any = False
    for model, route in fits or [max(candidates, key=lambda pair: pair[0].context_window)]:
        prompt_tokens = text_tokens + images * model.tokens_per_image
        limit = pricing.output_limit(model, asked=request.output_limit, prompt_tokens=prompt_tokens)
        if probabilities.most(request, limit=limit) > limits.LOG_PROBABILITIES:
            continue
        is_any = True
        credits = pricing.hold_credits(model, route, prompt_tokens=prompt_tokens, limit=limit, n=request.choices)
        yield Offer(model, route, prompt_tokens, limit, credits)
    if not is_any:
        raise probabilities.too_many(request)


def _asked(request: ChatRequest, fields: dict[str, Any]) -> frozenset[str]:
    """What a model must be able to take: the fields given, and `image_url` for a message with an image. A seed is but a hint."""
    return frozenset(fields) - {"messages", "seed"} | ({"image_url"} if request.images else set())


def _stand_in(caller: Caller, name: str | None, *, purpose: Literal["end_user", "cache_key"]) -> str | None:
    return stand_in(name, account_id=caller.account_id, purpose=purpose) if name else None


async def _count(fields: dict[str, Any], *, ceiling: int, long: bool) -> int:
    """The prompt in tokens without its images, by our own count, which ends above `ceiling`."""
    estimate = partial(
        tokens.estimate_prompt,
        fields["messages"],
        tools=fields.get("tools"),
        response_format=fields.get("response_format"),
        ceiling=ceiling,
    )
    return await asyncio.to_thread(estimate) if long else estimate()


async def hold(call: Call) -> None:
    """Place the call's hold. Whatever it raises, nothing is held.

    Raises `ApiError` insufficient_balance, spend_limit_reached, rate_limited, and for a call with an Idempotency-Key idempotency_conflict,
    idempotency_in_progress or `refusals.AlreadyAnswered`.
    """
    verdict = await committer.place(
        Hold(
            usage_id=call.id,
            wallet_id=call.caller.wallet_id,
            credits=call.offer.hold_credits,
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
            stream=bool(call.request.stream),
            metadata=call.request.metadata or {},
            reservation=call.keyed.reservation if call.keyed else None,
        )
    )
    if verdict.kind != "held":
        raise _refusal(call, verdict)


def _refusal(call: Call, verdict: Verdict) -> ApiError:
    credits = call.offer.hold_credits
    affordable = {}
    if verdict.kind == "insufficient":
        affordable["affordable_output_tokens"] = pricing.affordable_output_tokens(
            call.model,
            call.route,
            prompt_tokens=call.offer.prompt_tokens,
            n=call.request.choices,
            available_credits=verdict.available_credits,
        )
    asks = f"This call may cost {as_text(credits)} credits"
    return refusals.refusal(verdict, asks=asks, credits=credits, key_url=call.caller.key_url, affordable=affordable)


async def move(call: Call, offer: Offer) -> bool:
    """Make `offer` the one at hand, its hold in place of the one there was. False, and nothing is changed, if the wallet or a
    spend limit of the key can't carry it.

    Raises `ApiError` billing_failed when the call's record was closed by somebody else.
    """
    if offer is not call.offer:
        verdict = await committer.move(
            Move(
                usage_id=call.id,
                wallet_id=call.caller.wallet_id,
                credits=offer.hold_credits,
                model=offer.model.id,
                route=offer.route.name,
                credits_per_litellm_usd=offer.model.price.credits_per_litellm_usd,
                price_version=offer.model.price.version,
            )
        )
        if verdict.kind == "closed":
            raise ApiError("billing_failed")
        if verdict.kind != "held":
            return False
    call.offer = offer
    return True


async def give_back(call: Call, *, clause: str, error_code: str) -> Released | None:
    """End the call's hold with nothing charged. None if the database can't say now: then it is done as soon as it can."""
    release = Release(
        usage_id=call.id,
        wallet_id=call.caller.wallet_id,
        clause=clause,
        outcome="failed",
        error_code=error_code,
        attempts=call.attempts,
        absorbed_cost_usd=call.absorbed_cost_usd,
        latency_ms=call.latency_ms,
    )
    try:
        return await committer.release(release)
    except psycopg.Error as error:
        logger.error("a hold could not be released yet: %s", type(error).__name__, extra={"usage_id": call.id})
        return None
