"""A try at a route: one line on the receipt, and the provider's failure in the contract's words."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from chat.admission import Call
from chat.upstream import UpstreamCall
from chat.upstream.errors import ContextTooLong, Rejected, UpstreamError
from contract.errors import ApiError

logger = logging.getLogger(__name__)


@contextmanager
def attempt(call: Call) -> Iterator[UpstreamCall]:
    """One try at the call's route. It stands on the receipt, whatever comes of it; a provider's failure is logged by our reason."""
    began = time.monotonic()
    line: dict[str, Any] = {"model": call.model.id, "route": call.route.name, "outcome": "internal_error"}
    try:
        yield UpstreamCall(
            route=call.route,
            fields=call.fields,
            limit=call.limit,
            options=call.options,
            end_user=call.end_user,
            cache_key=call.cache_key,
            connect_seconds=settings.CHAT_CONNECT_SECONDS,
            total_seconds=settings.CHAT_TOTAL_SECONDS,
        )
        line["outcome"] = "answered"
    except UpstreamError as error:
        line.update(outcome=error.code, status=error.status)
        logger.log(logging.ERROR if error.alert else logging.WARNING, "upstream failed: %s", error.reason, extra={"route": call.route.name})
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
        if given := [*sorted(call.fields.keys() - {"messages"}), *(f"model_options.{name}" for name in sorted(call.options))]:
            message += f" Look at: {', '.join(given)}."
    elif error.code == "model_unavailable" and call.request.model != "auto":
        message = f'{call.model.id} is overloaded; retry later or with model "auto".'
    return ApiError(error.code, message, retry_after_seconds=error.retry_after_seconds)
