"""A provider's answer rebuilt in OpenAI's shape, from nothing but what the contract knows.

What is not named here does not go through: names, ids, fingerprints, costs. Everything raises Failed for an answer of another
shape, so that nothing further on meets a text that is a number, or a number that can't be written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import orjson

from chat.upstream import Answer, Chunk
from chat.upstream.errors import Failed
from contract.ids import new_id

# What providers call the four endings of OpenAI. One we don't know is an answer that came to its end: "stop".
FINISH_REASONS = {
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "max_completion_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
}
# Endings that are none: the provider gave up in the middle.
BROKEN_OFF = frozenset({"abort", "aborted", "error", "insufficient_system_resource", "network_error"})
# What OpenAI's reference says a logprob is that can't be told
UNLIKELY = -9999.0
_LARGEST = sys.float_info.max


def answer(body: Any, *, size: int = 0) -> Answer:
    """The whole answer in `body`, parsed JSON of about `size` bytes. Raises Failed for one without choices or without an end."""
    choices = [_whole(position, choice) for position, choice in enumerate(_list(_object(body).get("choices")))]
    if not choices:
        raise Failed("the answer has no choices")
    return Answer(choices=choices, usage=usage(body.get("usage")) or {}, size=size)


def _whole(position: int, choice: Any) -> dict[str, Any]:
    choice = _object(choice)
    message = _object(choice.get("message"))
    finish = finish_reason(choice.get("finish_reason"))
    if finish is None:
        raise Failed("the answer ends without a finish reason")
    rebuilt: dict[str, Any] = {"role": "assistant", "content": _text(message.get("content")), "refusal": _text(message.get("refusal"))}
    if reasoning := _reasoning(message):
        rebuilt["reasoning_content"] = reasoning
    if calls := [_tool_call(call) for call in _functions(message)]:
        rebuilt["tool_calls"] = calls
    return {
        "index": _index(choice, position),
        "message": rebuilt,
        "logprobs": logprobs(choice.get("logprobs")),
        "finish_reason": finish,
    }


def _tool_call(call: dict[str, Any]) -> dict[str, Any]:
    function = _object(call.get("function"))
    name = _text(function.get("name"))
    if not name:
        raise Failed("a tool call without a name")
    return {
        "id": _text(call.get("id")) or new_id("call"),
        "type": "function",
        "function": {"name": name, "arguments": _arguments(function) or "{}"},
    }


class StreamWhitelist:
    """Rebuilds the chunks of one stream. It remembers which tool calls have begun: a provider that repeats their id or name in each
    piece would have clients join them."""

    def __init__(self) -> None:
        self._begun: set[tuple[int, int]] = set()

    def chunk(self, event: dict[str, Any]) -> Chunk | None:
        """What `event`, the parsed JSON of one event, says; None if that is nothing."""
        choices = [
            rebuilt
            for position, choice in enumerate(_list(event.get("choices")))
            if (rebuilt := self._choice(position, _object(choice))) is not None
        ]
        counted = usage(event.get("usage"))
        return Chunk(choices, counted) if choices or counted is not None else None

    def _choice(self, position: int, choice: dict[str, Any]) -> dict[str, Any] | None:
        index = _index(choice, position)
        sent = _object(choice.get("delta") or {})
        delta: dict[str, Any] = {}
        if content := _text(sent.get("content")):
            delta["content"] = content
        if refusal := _text(sent.get("refusal")):
            delta["refusal"] = refusal
        if reasoning := _reasoning(sent):
            delta["reasoning_content"] = reasoning
        if sent.get("tool_calls") and (pieces := [self._piece(index, place, call) for place, call in enumerate(_functions(sent))]):
            delta["tool_calls"] = pieces
        finish = finish_reason(choice.get("finish_reason"))
        probable = logprobs(choice.get("logprobs"))
        if not delta and finish is None and probable is None:
            return None
        rebuilt = {"index": index, "delta": delta, "finish_reason": finish}
        if probable is not None:
            rebuilt["logprobs"] = probable
        return rebuilt

    def _piece(self, choice: int, place: int, call: dict[str, Any]) -> dict[str, Any]:
        index = _index(call, place)
        function = _object(call.get("function") or {})
        if (choice, index) in self._begun:
            return {"index": index, "function": {"arguments": _arguments(function)}}
        self._begun.add((choice, index))
        name = _text(function.get("name"))
        if not name:
            raise Failed("a tool call without a name")
        return {
            "index": index,
            "id": _text(call.get("id")) or new_id("call"),
            "type": "function",
            "function": {"name": name, "arguments": _arguments(function)},
        }


def finish_reason(said: Any) -> str | None:
    """`said` in OpenAI's words; None if the answer has not ended. Raises Failed if it says that it was broken off."""
    if said is None or said in ("", "null"):
        return None
    if not isinstance(said, str):
        raise Failed("a finish reason that is none")
    if said.lower() in BROKEN_OFF:
        raise Failed("the provider broke the answer off")
    return FINISH_REASONS.get(said.lower(), "stop")


def usage(sent: Any) -> dict[str, Any] | None:
    """The provider's counts in our names, each as it was sent, for `chat.usage` to judge. None if none were sent.

    OpenAI's shape, with Qwen's and Anthropic's names for what was written into a cache.
    """
    if sent is None:
        return None
    if not isinstance(sent, dict):
        return {}
    counted = {"prompt_tokens": sent.get("prompt_tokens"), "completion_tokens": sent.get("completion_tokens")}
    prompt, completion = _details(sent, "prompt_tokens_details"), _details(sent, "completion_tokens_details")
    classes = {
        "cached_tokens": prompt.get("cached_tokens"),
        "cache_write_tokens": next(
            (
                count
                for count in (
                    prompt.get("cache_write_tokens"),
                    prompt.get("cache_creation_tokens"),
                    prompt.get("cache_creation_input_tokens"),
                    sent.get("cache_creation_input_tokens"),
                )
                if count is not None
            ),
            None,
        ),
        "reasoning_tokens": completion.get("reasoning_tokens"),
    }
    return counted | {name: count for name, count in classes.items() if count is not None}


def _details(sent: dict[str, Any], name: str) -> dict[str, Any]:
    details = sent.get(name)
    return details if isinstance(details, dict) else {}


def logprobs(sent: Any) -> dict[str, Any] | None:
    """The tokens with their likelihoods; those that lack either are left out."""
    if not isinstance(sent, dict):
        return None
    kept = {name: _probables(sent.get(name), also_likely=True) for name in ("content", "refusal")}
    return {name: tokens or None for name, tokens in kept.items()} if any(kept.values()) else None


def _probables(sent: Any, *, also_likely: bool) -> list[dict[str, Any]]:
    tokens = []
    for given in _list(sent):
        text, logprob, octets = _text(_object(given).get("token")), given.get("logprob"), given.get("bytes")
        if text is None or logprob is None:
            continue
        is_octets = isinstance(octets, list) and all(type(octet) is int and 0 <= octet < 256 for octet in octets)
        token: dict[str, Any] = {"token": text, "logprob": _logprob(logprob), "bytes": octets if is_octets else None}
        if also_likely:
            token["top_logprobs"] = _probables(given.get("top_logprobs"), also_likely=False)
        tokens.append(token)
    return tokens


def _logprob(sent: Any) -> float:
    # Neither NaN nor an integer without end is between the two
    if isinstance(sent, int | float) and not isinstance(sent, bool) and -_LARGEST <= sent <= _LARGEST:
        return float(sent)
    return UNLIKELY


def _reasoning(message: dict[str, Any]) -> str | None:
    """The thinking, by whichever name. MiniMax sends `reasoning_details`, in pieces as they come, and sometimes both."""
    if said := _text(message.get("reasoning_content")) or _text(message.get("reasoning")):
        return said
    if details := message.get("reasoning_details"):
        return "".join(_text(_object(detail).get("text")) or "" for detail in _list(details)) or None
    return None


def _functions(message: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for call in _list(message.get("tool_calls")):
        if _object(call).get("type") in (None, "", "function"):
            yield call


def _arguments(function: dict[str, Any]) -> str:
    arguments = function.get("arguments")
    if not isinstance(arguments, dict):
        return _text(arguments) or ""
    try:
        return orjson.dumps(arguments).decode()
    except orjson.JSONEncodeError:  # hundreds of levels, an integer without end, half a character
        raise Failed("the arguments of a tool call can't be written") from None


def _index(of: dict[str, Any], position: int) -> int:
    index = of.get("index")
    return index if type(index) is int and 0 <= index < 2**31 else position


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Failed("a text of the answer is none")
    # No request may hold a NUL, and every answer may be sent back
    text: str = value.replace("\0", "") if "\0" in value else value
    # Half a character can't be sent on; most texts are known at once to have none
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise Failed("the answer has another shape")


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise Failed("the answer has another shape")
