"""When the model calls a tool, and what it says once it has the result."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from beatra_site.sandbox.answers.talk import Talk
from beatra_site.sandbox.request import ChatRequest, FunctionDefinition, Message, NamedTool
from beatra_site.sandbox.schemas import instance

# Words that tell nothing about what a question or a tool is for
COMMON_WORDS = (
    "a an and are at be by call can current do does find for from function get give given has have how i if in into is it its look make "
    "me my of on or please return returns run search set show some tell that the them this to tool up use user was what when where which "
    "who will with you your about any all one other should would could name list value data info information details result results"
)
COMMON = frozenset(COMMON_WORDS.split())


@dataclass(frozen=True)
class Invocation:
    """A tool to call and its arguments, which satisfy its schema."""

    name: str
    arguments: dict[str, Any]


def wanted_calls(request: ChatRequest, talk: Talk) -> list[Invocation]:
    """The calls the model makes: none, one, or several at once where the question asks for several and that is allowed."""
    if not request.tools or request.tool_choice == "none":
        return []
    functions = [tool.function for tool in request.tools]
    if isinstance(request.tool_choice, NamedTool):
        named = request.tool_choice.function.name
        return _calls([function for function in functions if function.name == named], talk, several=False)
    scores = {function.name: _fit(function, talk) for function in functions}
    best = sorted(functions, key=lambda function: -scores[function.name])
    if request.tool_choice == "required":
        return _calls(best[:1], talk, several=False)
    # With the results at hand it is time to answer
    if request.messages[-1].role == "tool":
        return []
    fitting = [function for function in best if scores[function.name] >= 2]
    several = request.parallel_tool_calls is not False
    return _calls(fitting if several else fitting[:1], talk, several=several)


def report(request: ChatRequest, results: Sequence[Message]) -> str:
    """The answer made of the tools' results since the last question."""
    names = {call.id: call.function.name for message in request.messages for call in message.tool_calls or ()}
    last_question = max((place for place, message in enumerate(request.messages) if message.role == "user"), default=-1)
    recent = [message for message in request.messages[last_question + 1 :] if message in results]
    return "\n".join(f"According to {names.get(message.tool_call_id or '', 'the tool')}: {_told(message.text())}" for message in recent)


def _calls(functions: Sequence[FunctionDefinition], talk: Talk, *, several: bool) -> list[Invocation]:
    calls: list[Invocation] = []
    for function in functions:
        talks = _split(talk) if several and len(functions) == 1 else [talk]
        for part in talks:
            arguments = instance({"type": "object", **(function.parameters or {})}, part)
            call = Invocation(function.name, arguments if isinstance(arguments, dict) else {})
            if call not in calls:
                calls.append(call)
    return calls


def _split(talk: Talk) -> list[Talk]:
    """ "Weather in Paris and London" as one question for each of the two."""
    found = re.search(r"\b([A-Z][\w-]+)((?:, [A-Z][\w-]+)*),? (?:and|or|versus|vs) ([A-Z][\w-]+)\b", talk.question)
    if not found:
        return [talk]
    names = [found[1], *re.findall(r"[A-Z][\w-]+", found[2]), found[3]]
    return [replace(talk, question=talk.question[: found.start()] + name + talk.question[found.end() :]) for name in names[:8]]


def _fit(function: FunctionDefinition, talk: Talk) -> int:
    """How much a question sounds like a tool: its name counts double, and naming it outright is enough."""
    if function.name.lower() in talk.plain:
        return 10
    asked = _stems(talk.plain)
    named = _stems(re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]", " ", function.name))
    properties = (function.parameters or {}).get("properties", {})
    described = _stems(f"{function.description or ''} {' '.join(properties) if isinstance(properties, dict) else ''}") - named
    return 2 * len(asked & named) + len(asked & described)


def _stems(text: str) -> set[str]:
    words = (re.sub(r"(?:ing|ed|es|s)$", "", word) for word in re.findall(r"[a-z]{3,}", text.lower()) if word not in COMMON)
    return {word for word in words if len(word) >= 3}


def _told(result: str) -> str:
    try:
        content = orjson.loads(result)
    except orjson.JSONDecodeError:
        return " ".join(result.split())[:500] or "nothing."
    if isinstance(content, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in list(content.items())[:12]) + "."
    return f"{_plain(content)}."


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return ", ".join(map(_plain, value[:10])) if isinstance(value, list) else orjson.dumps(value).decode()
