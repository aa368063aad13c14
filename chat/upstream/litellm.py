"""The litellm transport: any dialect that LiteLLM speaks, at a few milliseconds of CPU a call.

LiteLLM is given every field by name. Passing a caller's JSON through would hand over `api_base`, `api_key` or `mock_response`; its
own retries would hide attempts from the receipt; its cost is never read (see catalog/cost.py for the reasons).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from catalog.cost import load_litellm
from chat.upstream import Answer, Chunk, UpstreamCall
from chat.upstream.errors import Failed, TimedOut, UpstreamError, of_status
from chat.upstream.whitelist import StreamWhitelist, answer, finish_reason

# Everything of an OpenAI body that may be handed to LiteLLM.
FIELDS = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "messages",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "verbosity",
    }
)


class LiteLLMTransport:
    async def complete(self, call: UpstreamCall) -> Answer:
        """The whole answer. Raises `UpstreamError`."""
        litellm = await _ready()
        try:
            response = await litellm.acompletion(**_arguments(call))
            sent = response.model_dump()
        except Exception as error:
            # `from None`: the text of LiteLLM's errors is the provider's, and a chained one would reach a log.
            raise _error(error, litellm) from None
        whole = answer(sent)
        return Answer(choices=whole.choices, usage=_usage(response.usage))

    async def stream(self, call: UpstreamCall) -> AsyncGenerator[Chunk]:
        """The answer as it comes. Raises `UpstreamError`, before or between the chunks.

        LiteLLM ends a stream that was cut off with a finish reason and a count of its own. Both are therefore held back, and given at
        the end only if it received them.
        """
        litellm = await _ready()
        stream = None
        try:
            stream = await litellm.acompletion(**_arguments(call), stream=True, stream_options={"include_usage": True})
            whitelist, finish = StreamWhitelist(), None
            async for part in stream:
                sent = part.model_dump()
                for choice in sent["choices"]:
                    finish = choice.pop("finish_reason", None) or finish
                sent.pop("usage", None)
                if chunk := whitelist.chunk(sent):
                    yield chunk
            counted = next((part.usage for part in reversed(stream.chunks) if getattr(part, "usage", None)), None)
            ended = (stream.received_finish_reason or stream.intermittent_finish_reason) is not None
            if ended or counted:
                # It tells one reason for all choices
                each = range(call.fields.get("n", 1)) if ended else ()
                yield Chunk(
                    [{"index": index, "delta": {}, "finish_reason": finish_reason(finish)} for index in each],
                    _usage(counted) if counted else None,
                )
        except UpstreamError:
            raise
        except Exception as error:
            raise _error(error, litellm) from None
        finally:
            if stream is not None:
                await stream.aclose()


def _arguments(call: UpstreamCall) -> dict[str, Any]:
    return {
        "model": call.route.litellm_model,
        "api_base": call.route.base_url or None,
        "api_key": call.route.api_key() or "none",  # the sandbox asks for none, LiteLLM for any
        "max_tokens": call.limit,
        "timeout": httpx.Timeout(call.total_seconds, connect=call.connect_seconds),
        "max_retries": 0,
        "num_retries": 0,
        **{name: value for name, value in call.fields.items() if name in FIELDS},
    }


async def _ready() -> Any:
    """LiteLLM, imported in a thread if this process has not yet."""
    return load_litellm() if load_litellm.cache_info().currsize else await asyncio.to_thread(load_litellm)


def _error(error: Exception, litellm: Any) -> UpstreamError:
    """LiteLLM's exception as ours, by status first: its classes differ by provider and release."""
    if isinstance(error, litellm.Timeout):
        return TimedOut("no answer in time", status=None)
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        return Failed(f"{type(error).__name__} in the litellm transport")
    headers = getattr(error, "litellm_response_headers", None) or {}
    return of_status(status, str(error), retry_after=headers.get("retry-after"))


def _usage(usage: Any) -> dict[str, Any]:
    """The provider's counts. LiteLLM fills what was not sent with 0: a prompt of 0 tokens, or an output of 0 beside a total that is
    not the prompt's, was never counted by anybody."""
    prompt = usage.prompt_tokens or None
    completion = None if not usage.completion_tokens and usage.total_tokens != prompt else usage.completion_tokens
    prompt_details, completion_details = getattr(usage, "prompt_tokens_details", None), getattr(usage, "completion_tokens_details", None)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cached_tokens": getattr(prompt_details, "cached_tokens", None) or 0,
        "cache_write_tokens": getattr(usage, "cache_creation_input_tokens", None)
        or getattr(prompt_details, "cache_creation_tokens", None)
        or 0,
        "reasoning_tokens": getattr(completion_details, "reasoning_tokens", None) or 0,
    }
