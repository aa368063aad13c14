"""A try at a route: one line on the receipt, what it may cost us, and the provider's failure in the contract's words."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings
from django.core.exceptions import RequestAborted

from catalog.options import as_sent
from chat import charging
from chat.admission import Call
from chat.fitting import fitted
from chat.upstream import UpstreamCall
from chat.upstream.errors import ContextTooLong, CutShort, OutOfTime, Rejected, UpstreamError
from contract.errors import ApiError

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Try:
    """One try at a call's route.

    `end_at`, by the event loop's clock, is when the time of the whole call is up. Who reads the answer awaits `begun` once its first
    output has come, and says as `outcome` if we have broken it off. `is_sent` once anything has gone to the provider.
    """

    upstream_call: UpstreamCall
    end_at: float
    begun: Callable[[], Awaitable[None]]
    is_first: bool
    began: float
    outcome: Literal["answered", "stopped", "cut_by_limit"] = "answered"
    is_sent: bool = False

    def out_of_time(self, reason: str) -> OutOfTime:
        """The error of a limit of ours that is reached. A later try may have been left less time than a route is given."""
        kept_waiting = time.monotonic() - self.began
        return (OutOfTime if self.is_first or kept_waiting >= settings.CHAT_FIRST_OUTPUT_SECONDS else CutShort)(reason)


@asynccontextmanager
async def attempt(call: Call, fields: dict[str, Any], *, end_at: float, begun: Callable[[], Awaitable[None]]) -> AsyncIterator[Try]:
    """One try at the call's route, with `fields` as it gets them. It stands on the receipt, whatever comes of it.

    A provider's failure is logged by our reason. Where the provider may bill what nobody pays, the cost is taken for ours.
    """
    began = time.monotonic()
    line: dict[str, Any] = {"model": call.model.id, "route": call.route.name, "outcome": "internal_error"}

    def sent() -> None:
        this.is_sent = True

    this = Try(
        upstream_call=UpstreamCall(
            route=call.route,
            fields=fitted(fields, call.model),
            limit=call.offer.limit,
            options=as_sent(call.request.model_options or {}, call.model.model_options),
            end_user=call.end_user,
            cache_key=call.cache_key,
            connect_seconds=settings.CHAT_CONNECT_SECONDS,
            total_seconds=max(end_at - asyncio.get_running_loop().time(), 0.0),
            on_sent=sent,
        ),
        end_at=end_at,
        begun=begun,
        is_first=not call.attempts,
        began=began,
    )
    try:
        yield this
        line["outcome"] = this.outcome
    except UpstreamError as error:
        line.update(outcome=error.code, status=error.status)
        logger.log(logging.ERROR if error.alert else logging.WARNING, "upstream failed: %s", error.reason, extra={"route": call.route.name})
        if call.texts or isinstance(error, OutOfTime):
            await charging.absorb(call)
        raise
    except RequestAborted:
        line["outcome"] = "not_sent"
        raise
    except BaseException:  # a shutdown that can't wait, or a fault of ours, and the provider was at it
        await charging.absorb(call)
        raise
    finally:
        line["ms"] = round((time.monotonic() - began) * 1000)
        call.attempts.append(line)


def refusal(call: Call, error: UpstreamError) -> ApiError:
    """The answer to the caller when `error` was the last try's."""
    message = None
    if isinstance(error, ContextTooLong):
        message = f"This model's maximum context length is {call.model.context_window} tokens."
    elif type(error) is Rejected:  # what follows from it has words of its own
        message = f"The provider of {call.model.id} refused the request; nothing was charged."
        fields, options = fitted(call.fields, call.model), call.request.model_options or {}
        if given := [*sorted(fields.keys() - {"messages"}), *(f"model_options.{name}" for name in sorted(options))]:
            message += f" Look at: {', '.join(given)}."
    elif error.code == "model_unavailable" and call.request.model != "auto":
        message = f'{call.model.id} is overloaded; retry later or with model "auto".'
    return ApiError(error.code, message, retry_after_seconds=error.retry_after_seconds)
