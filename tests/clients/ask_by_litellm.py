"""A program that uses litellm as its client: `python -m tests.clients.ask_by_litellm BASE_URL KEY`.

A process of its own, since litellm takes seconds to import and changes settings of whoever imports it. It prints one JSON object:
what each way of asking came to.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the network for prices

import litellm

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def hi(text: str = "Say hi in five words.") -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


async def main(base_url: str, key: str) -> dict[str, Any]:
    us: dict[str, Any] = {"model": "openai/auto", "api_base": base_url, "api_key": key, "max_retries": 0}
    came: dict[str, Any] = {}

    def whole(answer: Any) -> dict[str, Any]:
        return {"text": answer.choices[0].message.content, "credits": answer.usage.model_extra["credits"], "id": answer.id}

    came["sync"] = whole(litellm.completion(**us, messages=hi()))
    came["async"] = [whole(one) for one in await asyncio.gather(*(litellm.acompletion(**us, messages=hi()) for _ in range(4)))]

    parts = list(litellm.completion(**us, messages=hi(), stream=True))
    came["stream"] = ["".join(part.choices[0].delta.content or "" for part in parts), parts[-1].choices[0].finish_reason]
    with_usage: dict[str, Any] = {**us, "messages": hi(), "stream": True, "stream_options": {"include_usage": True}}
    parts = [part async for part in await litellm.acompletion(**with_usage)]
    rebuilt = litellm.stream_chunk_builder(parts)
    came["async stream"] = [rebuilt.choices[0].message.content, rebuilt.usage.prompt_tokens, rebuilt.usage.completion_tokens]

    question = hi("What is the weather in Riga?")
    message = litellm.completion(**us, messages=question, tools=[WEATHER]).choices[0].message
    (call,) = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 7}'}
    came["tools"] = [
        call.function.arguments,
        whole(litellm.completion(**us, messages=[*question, message, result], tools=[WEATHER]))["text"],
    ]

    came["errors"] = {}
    for name, changed in {
        "key": {"api_key": "sk-bt-wrong"},
        "model": {"model": "openai/no-such-model"},
        "field": {"temperature": 7},
        "provider": {"messages": hi("[[status=500]]")},
        "overloaded": {"messages": hi("[[status=429 retry_after=1]]")},
        "long": {"messages": hi("[[context_window=1]]")},
    }.items():
        try:
            litellm.completion(**{**us, "messages": hi(), **changed})
        except Exception as error:
            came["errors"][name] = [type(error).__name__, getattr(error, "status_code", None)]
    return came


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
