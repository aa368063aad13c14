"""What stands around a chat's choices on their way to the caller: the body of a whole answer, the events of a streamed one, the usage.

One place for an answer that was just given and for a replay of it, so that both are the same byte for byte. Shapes: `chat.answers`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, Protocol

import orjson

from wallets.money import as_text

DONE: Final = b"data: [DONE]\n\n"
STREAM_TYPE: Final = "text/event-stream; charset=utf-8"
# `X-Accel-Buffering` keeps nginx from collecting the events
STREAM_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Counted(Protocol):
    """Tokens as they were charged: of a settlement, or of a record."""

    @property
    def prompt_tokens(self) -> int: ...
    @property
    def cached_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...
    @property
    def reasoning_tokens(self) -> int: ...


def usage(counted: Counted, *, credits: Decimal, credits_usd_reference: Decimal) -> dict[str, Any]:
    """`usage` as OpenAI shapes it, with the price: the charge in credits, and in USD at the rate of its time."""
    return {
        "prompt_tokens": counted.prompt_tokens,
        "completion_tokens": counted.completion_tokens,
        "total_tokens": counted.prompt_tokens + counted.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": counted.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": counted.reasoning_tokens},
        "credits": as_text(credits),
        "credits_usd_reference": as_text(credits_usd_reference),
    }


def whole(choices: Any, *, id: str, created: int, model: str, usage: dict[str, Any]) -> dict[str, Any]:
    """The body of a whole answer. `choices` are a list, or JSON that is written already (`orjson.Fragment`)."""
    return {"id": id, "object": "chat.completion", "created": created, "model": model, "choices": choices, "usage": usage}


def part(index: int, delta: dict[str, Any], *, logprobs: Any = None, finish_reason: str | None = None) -> dict[str, Any]:
    """A choice of a streamed answer: what is new in it."""
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def beginning(index: int) -> dict[str, Any]:
    """The first part of a choice: the role."""
    return part(index, {"role": "assistant", "content": "", "refusal": None})


def ending(index: int, reason: str) -> dict[str, Any]:
    """The last part of a choice: why it ended."""
    return part(index, {}, finish_reason=reason)


class Events:
    """The events of one streamed answer. With `usage_apart` (`stream_options.include_usage`) the usage has a chunk of its own."""

    def __init__(self, *, id: str, created: int, model: str, usage_apart: bool) -> None:
        # Written once: what is around a part is the same in every event
        envelope = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = b"data: " + orjson.dumps(envelope)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if usage_apart else b"]}\n\n"
        self._usage_apart = usage_apart

    def of(self, choice: dict[str, Any]) -> bytes:
        """The event of one part."""
        return self._head + orjson.dumps(choice) + self._tail

    def last(self, choice: dict[str, Any] | None, *, usage: dict[str, Any]) -> bytes:
        """The event of the last part, with the usage on it or behind it, and `[DONE]`."""
        written = b"" if choice is None else orjson.dumps(choice)
        used = b'],"usage":' + orjson.dumps(usage) + b"}\n\n"
        if self._usage_apart:
            return self._head + written + self._tail + self._head + used + DONE
        return self._head + written + used + DONE
