"""The litellm transport: any dialect that LiteLLM speaks, at a few milliseconds of CPU a call.

LiteLLM is given every field by name. Passing a caller's JSON through would hand over `api_base`, `api_key` or `mock_response`; its
own retries would hide attempts from the receipt; its cost is never read (see catalog/cost.py for the reasons).

It puts in what a provider left out: a finish reason, a count of tokens. Neither is believed here unless it was received, which is read
from the raw answer that LiteLLM shows its loggers and, of a stream, from what its wrapper keeps. Three of these are its internals, so
tests/chat/test_transports.py holds them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator
from functools import cache, partial
from typing import Any

import orjson

from catalog.cost import load_litellm, loaded
from chat.upstream import MAX_ANSWER_BYTES, Answer, Chunk, UpstreamCall, dialects
from chat.upstream.body import digests_of, extras_of, fields_of
from chat.upstream.errors import Failed, Misconfigured, TimedOut, UpstreamError, of_status
from chat.upstream.whitelist import StreamWhitelist, answer, finish_reason
from contract.strict_json import INLINE_BYTES

# What LiteLLM makes a 500 or a 400 of, and what the provider had said.
_LOST_STATUSES = {(500, "overloaded"): 529, (400, "request_too_large"): 413}


class LiteLLMTransport:
    async def complete(self, call: UpstreamCall) -> Answer:
        """The whole answer. Raises `UpstreamError`."""
        litellm = await _ready()
        arguments, raw = _arguments(call, litellm), _RawAnswer()
        try:
            call.on_sent()  # it does not tell when it does
            response = await litellm.acompletion(**arguments, logger_fn=raw)
            if not raw.ended:
                raise Failed("the answer ends without a finish reason")
            if raw.size > MAX_ANSWER_BYTES:
                raise Failed("the answer is too long")
            rebuilt = partial(_rebuilt, response, size=raw.size)
            return await asyncio.to_thread(rebuilt) if raw.size > INLINE_BYTES else rebuilt()
        except UpstreamError:
            raise
        except Exception as error:
            # `from None`: the text of LiteLLM's errors is the provider's, and a chained one would reach a log.
            raise _error(error, litellm) from None

    async def stream(self, call: UpstreamCall) -> AsyncGenerator[Chunk]:
        """The answer as it comes. Raises `UpstreamError`, before or between the chunks.

        LiteLLM ends a stream that was cut off with a finish reason and a count of its own. Both are therefore held back, and given at
        the end only if it received them. It tells one finish reason for all the choices of a call.
        """
        litellm = await _ready()
        arguments, stream, finish = _arguments(call, litellm), None, None
        try:
            call.on_sent()  # it does not tell when it does
            stream = await litellm.acompletion(**arguments, stream=True, stream_options={"include_usage": True})
            whitelist = StreamWhitelist()
            async for part in stream:
                sent = part.model_dump(exclude={"usage"}, warnings=False)
                for choice in sent["choices"]:
                    finish = choice.pop("finish_reason", None) or finish
                if chunk := whitelist.chunk(sent):
                    yield chunk
            if end := _end(stream, finish, choices=call.fields.get("n", 1)):
                yield end
        except UpstreamError:
            raise
        except Exception as error:
            # With one choice a finish reason is the end of all that is said; only its count got lost
            if stream is not None and call.fields.get("n", 1) == 1 and (end := _end(stream, finish, choices=1)):
                yield end
            raise _error(error, litellm) from None
        finally:
            if stream is not None:
                await stream.aclose()


def _rebuilt(response: Any, *, size: int) -> Answer:
    sent = response.model_dump(exclude={"usage"}, warnings=False)
    for choice in sent["choices"]:
        message = choice["message"]
        extra = message.get("provider_specific_fields") or {}
        for name in ("refusal", "reasoning_details"):
            message.setdefault(name, extra.get(name))
    return Answer(choices=answer(sent).choices, usage=_usage(getattr(response, "usage", None)), size=size)


def _end(stream: Any, finish: str | None, *, choices: int) -> Chunk | None:
    """What LiteLLM's wrapper received of a finish reason and of counts."""
    counted = next((part.usage for part in reversed(stream.chunks) if getattr(part, "usage", None)), None)
    ends: list[dict[str, Any]] = []
    if received := stream.received_finish_reason or stream.intermittent_finish_reason:
        reason = finish_reason(finish or received)
        ends = [{"index": index, "delta": {}, "finish_reason": reason} for index in range(choices)]
    return Chunk(ends, _usage(counted) if counted else None) if ends or counted else None


class _RawAnswer:
    """Looks at what the provider really sent, when LiteLLM shows it to its loggers."""

    ended = True
    size = 0

    def __call__(self, details: dict[str, Any]) -> None:
        raw = details.get("original_response")
        if not isinstance(raw, str):
            return
        self.size = len(raw)
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return  # a dialect that we can't read: LiteLLM's word is all there is
        if isinstance(body, dict) and isinstance(body.get("choices"), list):
            self.ended = all(isinstance(choice, dict) and choice.get("finish_reason") for choice in body["choices"])
        elif isinstance(body, dict) and "stop_reason" in body:  # Anthropic's
            self.ended = body["stop_reason"] is not None


async def _ready() -> Any:
    """LiteLLM, imported and told of our ways."""
    litellm = await loaded()
    # It takes an answer that says the same word often for a fault
    litellm.REPEATED_STREAMING_CHUNK_LIMIT = 1_000_000_000
    return litellm


def _arguments(call: UpstreamCall, litellm: Any) -> dict[str, Any]:
    """What `acompletion` is called with."""
    import httpx  # litellm's own: a process without that has no need of it

    route, dialect = call.route, dialects.of(call.route)
    arguments = {
        **fields_of(call, dialect=dialect),
        **digests_of(call, dialect=dialect),
        "model": route.litellm_model,
        "api_base": route.base_url or None,
        "api_key": route.api_key() or "none",  # the sandbox asks for none, LiteLLM for any
        "max_tokens": call.limit,
        "timeout": httpx.Timeout(call.total_seconds, connect=call.connect_seconds),
        "max_retries": 0,
        "num_retries": 0,
    }
    extras = extras_of(call, dialect=dialect)
    if not extras:
        return arguments
    provider = route.litellm_model.partition("/")[0]
    if provider == "openai" or provider in litellm.openai_compatible_providers:
        return {**arguments, "extra_body": extras}
    # Other dialects have no extra_body: LiteLLM sends on what it does not know, and acts on what it does
    if taken := extras.keys() & _own_names():
        raise Misconfigured(f"LiteLLM takes the option {min(taken)} for its own")
    return {**arguments, **extras}


@cache
def _own_names() -> frozenset[str]:
    litellm = load_litellm()
    from litellm.types.utils import all_litellm_params

    return frozenset({*inspect.signature(litellm.completion).parameters, *all_litellm_params})


def _error(error: Exception, litellm: Any) -> UpstreamError:
    """LiteLLM's exception as ours, by status first: its classes differ by provider and release."""
    # An error between the chunks is wrapped
    if isinstance(cause := getattr(error, "original_exception", None), Exception):
        error = cause
    if isinstance(error, litellm.Timeout):
        return TimedOut("no answer in time")
    # Its 500 of a connection that failed, or of an answer that it could not read, is no status of the provider's
    status = None if isinstance(error, litellm.APIConnectionError) else getattr(error, "status_code", None)
    if not isinstance(status, int) or status < 400:
        return Failed(f"{type(error).__name__} in the litellm transport")
    text = f"{error} {getattr(error, 'body', None)}"
    status = next((lost for (made, word), lost in _LOST_STATUSES.items() if made == status and word in text.lower()), status)
    headers = getattr(error, "litellm_response_headers", None) or {}
    words = " ".join(word for name in ("code", "type") if isinstance(word := getattr(error, name, None), str))
    return of_status(status, message=text, words=words, retry_after=headers.get("retry-after"))


def _usage(usage: Any) -> dict[str, Any]:
    """The provider's counts. LiteLLM fills what was not sent with 0: a prompt of 0 tokens, or an output of 0 beside a total that is
    not the prompt's, was never counted by anybody."""
    if usage is None:
        return {}
    prompt = usage.prompt_tokens or None
    completion = None if not usage.completion_tokens and usage.total_tokens != prompt else usage.completion_tokens
    prompt_details, completion_details = getattr(usage, "prompt_tokens_details", None), getattr(usage, "completion_tokens_details", None)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cached_tokens": getattr(prompt_details, "cached_tokens", None) or 0,
        "cache_write_tokens": getattr(usage, "cache_creation_input_tokens", None)
        or getattr(prompt_details, "cache_creation_tokens", None)
        or getattr(prompt_details, "cache_write_tokens", None)
        or 0,
        "reasoning_tokens": getattr(completion_details, "reasoning_tokens", None) or 0,
    }
