"""One chat call from hold to charge: hold, ask the provider, settle, answer.

The order is what makes the money exact: the hold is committed before the provider is called, the charge before the caller is answered,
and every way out of here ends the hold exactly once.
"""

from __future__ import annotations

import asyncio
from typing import Any

from django.conf import settings

from chat import charging, images, usage
from chat.admission import Call, give_back, hold
from chat.attempts import as_api_error, attempt
from chat.upstream import Answer, transports
from chat.upstream.errors import TimedOut, UpstreamError
from contract.errors import ApiError


async def run(call: Call) -> dict[str, Any]:
    """Hold, ask, settle; the answer's body. Runs in a task of its own (`chat.lifetime.spawn`).

    Raises `ApiError`: insufficient_balance or rate_limited when the hold is refused, invalid_request when an image can't be had, the
    provider's failure by its own code, billing_failed when the charge could not be recorded. Whatever it raises, nothing is charged
    and nothing stays held.
    """
    await hold(call)
    try:
        call.fields = await images.inlined(call.fields, route=call.route)
        answer = await _ask(call)
        texts = [text for choice in answer.choices for text in usage.texts_of(choice["message"])]
        settlement = await charging.work_out(call, texts=texts, counts=answer.usage)
    except UpstreamError as error:
        await give_back(call, clause="upstream_failed", error_code=error.code)
        raise as_api_error(call, error) from None
    except ApiError as error:  # an image that can't be had
        await give_back(call, clause="not_sent", error_code=error.code)
        raise
    except BaseException:  # a shutdown that can't wait, or a fault of ours
        await give_back(call, clause="lost", error_code="internal_error")
        raise
    settled = await charging.settle(call, settlement)
    return {
        "id": call.id,
        "object": "chat.completion",
        "created": call.created,
        "model": call.model.id,
        "choices": answer.choices,
        "usage": charging.usage_of(settlement, settled),
    }


async def _ask(call: Call) -> Answer:
    with attempt(call) as upstream_call:
        try:
            async with asyncio.timeout(settings.CHAT_TOTAL_SECONDS):
                return await transports.of(call.route).complete(upstream_call)
        except TimeoutError:
            raise TimedOut("no answer in time") from None
