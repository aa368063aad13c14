"""A call's hold around all that may fail: every way out but a good end gives it back, once."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from chat import charging
from chat.admission import Call, give_back, hold
from chat.attempts import refusal
from chat.upstream.errors import UpstreamError
from contract.errors import ApiError

logger = logging.getLogger(__name__)


@asynccontextmanager
async def held(call: Call, *, texts: Sequence[str] = ()) -> AsyncIterator[None]:
    """Place the call's hold; give it back if the body raises. A good end leaves it to the charge.

    `texts` are the output that has come so far: if it failed after them, their cost is ours.

    Raises `ApiError`: insufficient_balance or rate_limited when the hold is refused, the provider's failure by its own code, or the
    body's own refusal; and whatever else the body raises. Then nothing is charged and nothing stays held.
    """
    await hold(call)
    try:
        yield
    except UpstreamError as error:
        absorbed = await _absorbed(call, texts)
        await give_back(call, clause="upstream_failed", error_code=error.code, absorbed_cost_usd=absorbed)
        raise refusal(call, error) from None
    except BaseException as error:  # an image that can't be had, a shutdown that can't wait, or a fault of ours
        code = error.code if isinstance(error, ApiError) else "internal_error"
        await give_back(call, clause="lost" if call.attempts else "not_sent", error_code=code)
        raise


async def _absorbed(call: Call, texts: Sequence[str]) -> Decimal:
    """Our cost of a failed call in USD. That it can't be worked out must not keep the hold."""
    try:
        return await charging.cost_of_output(call, texts=texts)
    except BaseException as error:
        logger.error("the cost of a failed call is not known: %s", type(error).__name__, extra={"usage_id": call.id})
        return Decimal(0)
