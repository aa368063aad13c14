"""What the sandbox provider received of a call."""

from __future__ import annotations

from typing import Any

import httpx

from contract.ids import new_id
from tests.customer import Customer


def received(owner: Customer, sandbox: str, *, text: str = "Say hi in five words.", parts: list[Any] | None = None, **fields: Any) -> Any:
    """The body that went to the provider for a call that must have been answered, without the mark it is found by.

    `text` is the last message, `parts` come after it in the same; `messages` in `fields` stand before.
    """
    marker = new_id("seen")
    content: Any = f"[[script:{marker}]] {text}"
    last = {"role": "user", "content": [{"type": "text", "text": content}, *parts] if parts else content}
    earlier = fields.pop("messages", [])
    response = owner.http.post("/chat/completions", json={"model": "MiniMax-M2.7", "messages": [*earlier, last], **fields})
    assert response.status_code == 200, response.text
    (call,) = httpx.get(f"{sandbox}/control/calls", params={"marker": marker}, timeout=30).json()["calls"]
    body = call["body"]
    del body["messages"][len(body["messages"]) - 1]
    return body
