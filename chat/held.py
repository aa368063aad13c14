"""A call's hold around all that may fail: every way out but a good end gives it back, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.core.exceptions import RequestAborted

from chat.admission import Call, give_back, hold
from chat.attempts import refusal
from chat.upstream.errors import UpstreamError
from contract.exceptions import as_api_error


@asynccontextmanager
async def held(call: Call) -> AsyncIterator[None]:
    """Place the call's hold; give it back if the body raises. A good end leaves it to the charge.

    Raises `ApiError`: insufficient_balance, spend_limit_reached or rate_limited when the hold is
    refused, the provider's failure by its own code, or the
    body's own refusal; and whatever else the body raises. Then nothing is charged and nothing stays held.
    """
    await hold(call)
    try:
        yield
    except UpstreamError as error:
        await give_back(call, clause="upstream_failed", error_code=error.code)
        raise refusal(call, error) from None
    except BaseException as error:  # no route is open, an image can't be had, a shutdown can't wait, or a fault of ours
        is_sent = call.attempts and not isinstance(error, RequestAborted)
        await give_back(call, clause="lost" if is_sent else "not_sent", error_code=_code(error))
        raise


def _code(error: BaseException) -> str:
    """What the caller is answered; nothing to one who has left."""
    if isinstance(error, RequestAborted):
        return ""
    return "service_unavailable" if isinstance(error, asyncio.CancelledError) else as_api_error(error).code
