"""One chat call from hold to charge: hold, ask one provider after another, settle, answer.

The order is what makes the money exact: the hold is committed before a provider is called, the charge before the caller is answered,
and every way out of here ends the hold exactly once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from chat import charging, envelope, replays, tries, usage
from chat.admission import Call
from chat.attempts import Try
from chat.held import held
from chat.upstream import Answer, transports
from contract.strict_json import INLINE_BYTES


async def run(call: Call) -> dict[str, Any]:
    """Hold, ask, settle; the answer's body. Runs in a task of its own (`chat.lifetime.spawn`).

    Raises `ApiError`: insufficient_balance, spend_limit_reached or rate_limited when the hold is
    refused, invalid_request when an image can't be had, the
    last provider's failure by its own code, billing_failed when the charge could not be recorded. RequestAborted when the caller left
    before a provider was asked. Whatever it raises, nothing is charged and nothing stays held; only after service_unavailable of a
    charge in doubt that is still to be seen (`chat.charging`).
    """
    async with held(call):
        answer = await tries.answered(call, _ask)
        # Never more than were asked for, and held for
        choices = answer.choices[: call.request.choices]
        texts = [text for choice in choices for text in usage.texts_of(choice["message"])]
        # Written before it is charged: an answer that can't be given costs nothing
        json = await asyncio.to_thread(orjson.dumps, choices) if answer.size > INLINE_BYTES else orjson.dumps(choices)
        written = orjson.Fragment(json)
        sealed = await replays.sealed(call, written, size=len(json))
        settlement = await charging.work_out(call, texts=texts, counts=answer.usage, answer=sealed)
    settled = await charging.settle(call, settlement)
    counted = charging.usage_of(settlement, settled)
    return envelope.whole(written, id=call.id, created=call.created, model=call.model.id, usage=counted)


async def _ask(this: Try) -> Answer:
    try:
        async with asyncio.timeout_at(this.end_at):
            return await transports.of(this.upstream_call.route).complete(this.upstream_call)
    except TimeoutError:
        raise this.out_of_time("no answer in time") from None
