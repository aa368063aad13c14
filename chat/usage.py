"""A provider's token counts, believed or not.

Usage is refused when a count is missing, negative or no integer, cached > prompt, prompt > context window, or completion > limit x n.
Then the tokens are estimated from the texts, and the receipt says so. Written to the cache counts as cached there. Reasoning is part of
the completion; a provider that counts more of it than of that has counted them apart, and is taken to mean the larger number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from catalog.cost import TokenUsage
from catalog.tokens import LONG_CHARACTERS, count


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


async def estimated(texts: Sequence[str], *, prompt_tokens: int, most_completion_tokens: int) -> TokenUsage:
    """What an output of `texts` and a prompt of about `prompt_tokens` come to by our own count, within the limit the call was sent with."""
    tokens = partial(count, "".join(texts), ceiling=most_completion_tokens)
    completion = await asyncio.to_thread(tokens) if sum(map(len, texts)) > LONG_CHARACTERS else tokens()
    return TokenUsage(prompt_tokens=prompt_tokens, completion_tokens=min(completion, most_completion_tokens))


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
