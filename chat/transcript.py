"""A streamed answer as a whole one, and a whole one as a stream.

What is stored for a retry is whole choices, however they came; a stream is replayed in fewer and longer parts than it had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from chat.envelope import beginning, ending, part

_TEXTS = ("content", "refusal", "reasoning_content")


class Transcript:
    """The choices of one streamed answer, joined from the parts that the caller was sent (`chat.envelope.part`)."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}

    def take(self, choice: dict[str, Any]) -> None:
        """Add one part to its choice."""
        self._choices.setdefault(choice["index"], _Choice()).take(choice)

    def choices(self) -> list[dict[str, Any]]:
        """The choices as a whole answer has them (`chat.answers.Choice`), in their order."""
        return [choice.whole(index) for index, choice in sorted(self._choices.items())]


class _Choice:
    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {name: [] for name in _TEXTS}
        self._tools: dict[int, dict[str, Any]] = {}
        self._logprobs: dict[str, list[Any]] = {}
        self._finish_reason: str | None = None

    def take(self, choice: dict[str, Any]) -> None:
        delta = choice["delta"]
        for name in _TEXTS:
            if text := delta.get(name):
                self._texts[name].append(text)
        for piece in delta.get("tool_calls") or ():
            self._take_tool(piece)
        for name, tokens in (choice["logprobs"] or {}).items():
            if tokens is not None:
                self._logprobs.setdefault(name, []).extend(tokens)
        self._finish_reason = choice["finish_reason"] or self._finish_reason

    def _take_tool(self, piece: dict[str, Any]) -> None:
        call = self._tools.setdefault(piece["index"], {"id": "", "name": "", "arguments": []})
        function = piece.get("function") or {}
        call["id"] = call["id"] or piece.get("id") or ""
        call["name"] = call["name"] or function.get("name") or ""
        call["arguments"].append(function.get("arguments") or "")

    def whole(self, index: int) -> dict[str, Any]:
        texts = {name: "".join(pieces) or None for name, pieces in self._texts.items()}
        message: dict[str, Any] = {"role": "assistant", "content": texts["content"], "refusal": texts["refusal"]}
        if texts["reasoning_content"]:
            message["reasoning_content"] = texts["reasoning_content"]
        if self._tools:
            message["tool_calls"] = [
                {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": "".join(call["arguments"])}}
                for _, call in sorted(self._tools.items())
            ]
        logprobs = {"content": None, "refusal": None, **self._logprobs} if self._logprobs else None
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": self._finish_reason}


def parts(choices: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Whole choices as the parts of a stream: each one's role and what it says, then why each ended."""
    ends = []
    for choice in choices:
        index, message, logprobs = choice["index"], choice["message"], choice["logprobs"]
        yield beginning(index)
        for delta in _deltas(message):
            # Log probabilities are of what is said, not of the thinking
            if "reasoning_content" in delta:
                yield part(index, delta)
            else:
                yield part(index, delta, logprobs=logprobs)
                logprobs = None
        if logprobs is not None:
            yield part(index, {}, logprobs=logprobs)
        ends.append(ending(index, choice["finish_reason"]))
    yield from ends


def _deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("reasoning_content", "content", "refusal"):
        if text := message.get(name):
            yield {name: text}
    if calls := message.get("tool_calls"):
        yield {"tool_calls": [{"index": place, **call} for place, call in enumerate(calls)]}
