"""One choice of an answer, worked out before the first byte is sent, so that streamed and whole answers agree to the token.

A choice is a list of deltas, each with the tokens it is made of; limits cut between tokens, usage is their number.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from beatra_site.sandbox import tokens
from beatra_site.sandbox.answers import Talk, reply
from beatra_site.sandbox.faults import Fault
from beatra_site.sandbox.request import ChatRequest
from beatra_site.sandbox.schemas import instance
from beatra_site.sandbox.tools import Invocation, report, wanted_calls

Kind = Literal["reasoning_content", "content", "refusal", "tool_call", "tool_arguments"]


@dataclass
class Delta:
    """A part of an answer: its text, the tokens of it, and for tools which call it belongs to."""

    kind: Kind
    text: str
    tokens: list[bytes]
    call: int = 0
    call_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """The `delta` of a chunk."""
        if self.kind == "tool_call":
            function = {"name": self.text, "arguments": ""}
            return {"tool_calls": [{"index": self.call, "id": self.call_id, "type": "function", "function": function}]}
        if self.kind == "tool_arguments":
            return {"tool_calls": [{"index": self.call, "function": {"arguments": self.text}}]}
        return {self.kind: self.text}


@dataclass
class Choice:
    """All of one answer: what is said, and why it ends."""

    index: int
    deltas: list[Delta] = field(default_factory=list)
    finish_reason: str | None = "stop"

    @property
    def completion_tokens(self) -> int:
        return sum(len(delta.tokens) for delta in self.deltas)

    @property
    def reasoning_tokens(self) -> int:
        return sum(len(delta.tokens) for delta in self.deltas if delta.kind == "reasoning_content")

    def message(self) -> dict[str, Any]:
        """The `message` of an answer that is not streamed."""
        content, reasoning, refusal = (self._joined(kind) for kind in ("content", "reasoning_content", "refusal"))
        calls: dict[int, dict[str, Any]] = {}
        for delta in self.deltas:
            if delta.kind == "tool_call":
                calls[delta.call] = {"id": delta.call_id, "type": "function", "function": {"name": delta.text, "arguments": ""}}
            elif delta.kind == "tool_arguments":
                calls[delta.call]["function"]["arguments"] += delta.text
        message: dict[str, Any] = {
            "role": "assistant",
            "content": content if content or not (calls or refusal) else None,
            "refusal": refusal or None,
            "annotations": [],
        }
        if reasoning:
            message["reasoning_content"] = reasoning
        if calls:
            message["tool_calls"] = list(calls.values())
        return message

    def _joined(self, kind: Kind) -> str:
        return "".join(delta.text for delta in self.deltas if delta.kind == kind)


def generate(request: ChatRequest, *, fault: Fault, question: str, index: int, room: int) -> Choice:
    """The choice with this index: what the question (its directives taken out) is answered, within limit and room (tokens)."""
    choice = Choice(index)
    if fault.empty:
        choice.finish_reason = _finish(fault, "stop")
        return choice
    finish = _say(choice, request, fault=fault, question=question)
    limit = room if request.limit is None else min(request.limit, room)
    if not fault.ignore_limit and choice.completion_tokens > limit:
        choice.deltas = _cut(choice.deltas, limit)
        finish = "length"
    choice.finish_reason = _finish(fault, finish)
    return choice


def _finish(fault: Fault, finish: str) -> str | None:
    return None if fault.finish_reason == "none" else fault.finish_reason or finish


def _say(choice: Choice, request: ChatRequest, *, fault: Fault, question: str) -> str:
    talk = Talk.of(request, question=question, variant=(request.seed or 0) + choice.index)
    reasoning = fault.reasoning or (_reasoning(talk) if request.reasoning_effort not in (None, "none", "minimal") else "")
    _add_text(choice, "reasoning_content", reasoning)
    if fault.refusal is not None:
        _add_text(choice, "refusal", fault.refusal)
        return "stop"
    if fault.chunks is not None:
        choice.deltas += [Delta("content", text, tokens.encode(text)) for text in (f"{number}," for number in range(fault.chunks))]
        return "stop"
    if fault.tokens is not None:
        # One token each in the vocabulary, wherever it stands
        choice.deltas += [Delta("content", text, [text.encode()]) for text in (["word"] + [" word"] * fault.tokens)[: fault.tokens]]
        return "stop"
    if fault.answer is None and (calls := wanted_calls(request, talk)):
        for number, call in enumerate(calls):
            _add_call(choice, number, call)
        return "tool_calls"
    _add_text(choice, "content", _until_stop(fault.answer if fault.answer is not None else _words(request, talk), request.stops))
    return "stop"


def _words(request: ChatRequest, talk: Talk) -> str:
    wanted = request.response_format
    results = [message for message in request.messages if message.role == "tool"]
    words = report(request, results) if request.messages[-1].role == "tool" else ""
    if wanted and wanted.type == "json_schema" and wanted.json_schema:
        return orjson.dumps(instance(wanted.json_schema.schema_, talk)).decode()
    if wanted and wanted.type == "json_object":
        return orjson.dumps(talk.as_object(words or reply(talk))).decode()
    return words or reply(talk)


def _reasoning(talk: Talk) -> str:
    return f"The user asks: {talk.question[:200].strip()} I look for what is wanted, answer that first, and keep it short."


def _until_stop(text: str, stops: list[str]) -> str:
    ends = [position for stop in stops if stop and (position := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def _add_text(choice: Choice, kind: Kind, text: str) -> None:
    choice.deltas += [Delta(kind, part, of) for part, of in tokens.pieces(text)]


def _add_call(choice: Choice, number: int, call: Invocation) -> None:
    arguments = orjson.dumps(call.arguments).decode()
    digest = hashlib.sha256(f"{choice.index}/{number}/{call.name}/{arguments}".encode()).hexdigest()
    choice.deltas.append(Delta("tool_call", call.name, tokens.encode(call.name), number, f"call_{digest[:24]}"))
    choice.deltas += [Delta("tool_arguments", text, of, number) for text, of in tokens.pieces(arguments)]


def _cut(deltas: list[Delta], limit: int) -> list[Delta]:
    kept: list[Delta] = []
    for delta in deltas:
        if len(delta.tokens) <= limit:
            kept.append(delta)
        elif limit > 0:
            # A name of a tool is never cut in half
            text = delta.text if delta.kind == "tool_call" else b"".join(delta.tokens[:limit]).decode("utf-8", "ignore")
            kept.append(Delta(delta.kind, text, delta.tokens[:limit], delta.call, delta.call_id))
        limit -= len(delta.tokens)
        if limit <= 0:
            break
    return kept
