"""An answer that is sent again for its Idempotency-Key: what of it is sealed, and the same answer from that.

Its choices, and when it began, are sealed; id, model and usage stand on its usage record. Nothing is asked of a provider or of the
wallet, and the schema is not asked again either: what was answered once is answered the same, also when the model is off by now.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

from chat import envelope
from chat.admission import Call
from chat.envelope import Events
from chat.transcript import parts
from contract import request_id
from contract.ids import new_id
from contract.json_answer import JsonAnswer
from contract.strict_json import INLINE_BYTES
from keys.caller import Caller
from wallets import idempotency
from wallets.idempotency import REPLAYED, KeyedRequest, StoredAnswer


async def keyed(request: HttpRequest, body: dict[str, Any], *, key: str, caller: Caller) -> KeyedRequest:
    """The request under its Idempotency-Key."""
    read = partial(idempotency.keyed_request, key, wallet_id=caller.wallet_id, method=request.method or "", path=request.path, body=body)
    return await asyncio.to_thread(read) if len(request.body) > INLINE_BYTES else read()


async def replay(keyed: KeyedRequest, *, caller: Caller) -> HttpResponse | None:
    """The answer that is stored for the request, on record as sent again; None if there is none, and the request is to run.

    Raises `ApiError` idempotency_conflict or idempotency_in_progress.
    """
    stored = await idempotency.stored(keyed)
    if stored is None:
        return None
    answer = await asyncio.to_thread(_answer, stored) if len(stored.answer) > INLINE_BYTES else _answer(stored)
    await idempotency.record(
        stored,
        id=new_id("chatcmpl"),
        request_id=request_id.current(),
        key_id=caller.key_id,
        key_prefix=caller.key_prefix,
        key_name=caller.key_name,
    )
    return answer


async def sealed(call: Call, choices: Any, *, size: int) -> bytes:
    """What is stored of the call's answer, with its charge; nothing of a call without a key.

    `choices` as in `chat.envelope.whole`; `size` is about what they are in bytes: large ones are written and sealed in a thread.
    """
    if call.keyed is None:
        return b""
    plain = {"created": call.created, "usage_apart": call.request.usage_apart, "choices": choices}
    seal = partial(_sealed, call.keyed, plain, usage_id=call.id)
    return await asyncio.to_thread(seal) if size > INLINE_BYTES else seal()


def _sealed(keyed: KeyedRequest, plain: dict[str, Any], *, usage_id: str) -> bytes:
    return keyed.seal(orjson.dumps(plain), usage_id=usage_id)


def _answer(stored: StoredAnswer) -> HttpResponse:
    answer = orjson.loads(stored.answer)
    usage = envelope.usage(stored, credits=stored.credits, credits_usd_reference=stored.credits_usd_reference)
    around = {"id": stored.usage_id, "created": answer["created"], "model": stored.model}
    if not stored.stream:
        return JsonAnswer(envelope.whole(answer["choices"], **around, usage=usage), headers=REPLAYED)
    events = Events(**around, usage_apart=answer["usage_apart"])
    sent = list(parts(answer["choices"]))
    last = sent.pop() if sent else None
    content = b"".join([*map(events.of, sent), events.last(last, usage=usage)])
    return HttpResponse(content, content_type=envelope.STREAM_TYPE, headers={**envelope.STREAM_HEADERS, **REPLAYED})
