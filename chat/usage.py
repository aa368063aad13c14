"""A provider's token counts, believed or not.

Usage is refused when a count is missing, negative or no integer, cached > prompt, prompt > context window, or completion > limit x n.
Then the tokens are estimated from the texts, and the receipt says so. Written to the cache counts as cached there. Reasoning is part of
the completion; a provider that counts more of it than of that has counted them apart, and is taken to mean the larger number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from catalog import tokens
from catalog.cost import TokenUsage
from catalog.tokens import LONG_CHARACTERS
from chat.admission import Call


def refusal(raw: dict[str, Any], *, context_window: int, most_completion_tokens: int) -> str:
    """Why the counts of `raw` can't be true, in our words; empty if they can."""
    counts = {name: raw.get(name, 0) for name in ("cached_tokens", "cache_write_tokens", "reasoning_tokens")}
    counts |= {name: raw.get(name) for name in ("prompt_tokens", "completion_tokens")}
    for name, value in counts.items():
        if value is None:
            return f"{name} is missing"
        if type(value) is not int or value < 0:
            return f"{name} is no count"
    if counts["cached_tokens"] + counts["cache_write_tokens"] > counts["prompt_tokens"]:
        return "more cached tokens than prompt tokens"
    if counts["prompt_tokens"] > context_window:
        return "more prompt tokens than the context window"
    if _output(counts) > most_completion_tokens:
        return "more completion tokens than the limit"
    return ""


def believed(raw: dict[str, Any]) -> TokenUsage:
    """The usage of counts that `refusal` let through."""
    return TokenUsage(
        prompt_tokens=raw["prompt_tokens"],
        completion_tokens=_output(raw),
        cached_tokens=raw.get("cached_tokens", 0),
        cache_write_tokens=raw.get("cache_write_tokens", 0),
        reasoning_tokens=raw.get("reasoning_tokens", 0),
    )


def _output(raw: dict[str, Any]) -> int:
    """The tokens of the output. The same as LiteLLM bills: visible ones are what reasoning leaves of them, never fewer than none."""
    completion: int = raw["completion_tokens"]
    reasoning: int = raw.get("reasoning_tokens", 0)
    return max(completion, reasoning)


async def estimated(call: Call, texts: Sequence[str]) -> TokenUsage:
    """What the call's prompt and an output of `texts` come to by our own count: never more than the hold was made for."""
    long = call.is_long or sum(map(len, texts)) > LONG_CHARACTERS
    return await asyncio.to_thread(_estimated, call, texts) if long else _estimated(call, texts)


def _estimated(call: Call, texts: Sequence[str]) -> TokenUsage:
    fields, most = call.fields, call.most_completion_tokens
    prompt = tokens.count_prompt(fields["messages"], tools=fields.get("tools"), response_format=fields.get("response_format"))
    prompt += call.request.images * call.model.tokens_per_image
    completion = tokens.count("".join(texts), ceiling=most)
    return TokenUsage(prompt_tokens=min(prompt, call.offer.prompt_tokens), completion_tokens=min(completion, most))


def texts_of(message: dict[str, Any]) -> Iterator[str]:
    """All that a model said in a message, or in a delta of one: what its provider counts as output."""
    for name in ("content", "reasoning_content", "refusal"):
        if text := message.get(name):
            yield text
    for tool in message.get("tool_calls") or ():
        function = tool.get("function") or {}
        for name in ("name", "arguments"):
            if text := function.get(name):
                yield text
