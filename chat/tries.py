"""Failover: the pairs that may answer a call, one after another until one does.

Each is tried behind its route's breaker, with the hold moved to what the call may cost there, and all of them within one time. After a
failure the next route of the model is tried, then under `auto` the next model; not after a failure that every route would have, and not
once output has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import TypeVar

from django.conf import settings
from django.core.exceptions import RequestAborted

from catalog import breaker, routing
from chat import admission, images
from chat.admission import Call
from chat.attempts import Try, attempt
from chat.upstream.errors import UpstreamError
from contract.errors import ApiError

T = TypeVar("T")


async def answered(call: Call, ask: Callable[[Try], Awaitable[T]]) -> T:
    """What `ask` brings from the first of the call's pairs that answers. The call's hold has been placed.

    Raises the `UpstreamError` of the last try. `ApiError`: model_unavailable where every breaker was open, invalid_request where an
    image can't be had, billing_failed where the call's record was closed meanwhile. RequestAborted where the caller left before a
    provider was asked.
    """
    now = asyncio.get_running_loop().time
    end_at = now() + settings.CHAT_TOTAL_SECONDS
    inlining = images.Inlining(call.fields)
    failure: UpstreamError | None = None
    for offer in chain((call.offer,), call.others):
        if call.is_given_up or (failure is not None and now() >= end_at):
            break
        try:
            fields = await inlining.fields_for(offer.route)
        except ApiError:
            if failure is None:
                raise
            continue
        leave = await breaker.enter(offer.route.id, account_id=call.caller.account_id)
        if leave is None:
            continue
        try:
            if not await admission.move(call, offer):
                continue
            if call.is_given_up:
                break
            async with attempt(call, fields, end_at=end_at, begun=leave.succeeded) as this:
                answer = await ask(this)
            if this.outcome == "answered":
                await leave.succeeded()
            return answer
        except UpstreamError as error:
            if error.counts:
                await leave.failed()
            if error.final or call.texts:
                raise
            failure = error
        except RequestAborted:  # its caller left before this route was asked
            break
        finally:
            await leave.dropped()  # what was said before counts; a refusal, which callers bring about at will, is no verdict
    if failure is not None:
        raise failure
    raise RequestAborted if call.is_given_up else routing.unavailable(call.request.model)
