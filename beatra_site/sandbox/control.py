"""The control API, for tests, of a process started with `--faults`. All bodies are JSON.

POST   /control/scripts                registers a script: {"marker"?, "model"?, "key"?, "steps": [{a fault, "times"?}, ...]};
                                       answers its `id` and the `text` to put into the last user message (`scripts.py`).
                                       The same conditions again replace it.
GET    /control/scripts/<id|marker>    `matched` calls and `steps_left`
DELETE /control/scripts[/<id|marker>]  removes it, or all
POST   /control/gates/<name>           closes the gate (it also exists, closed, from the first call that names it)
GET    /control/gates/<name>           `waiting`, `passed`, `open`; with ?waiting=N&timeout=S it answers as soon as at
                                       least N wait, or after S seconds (30)
POST   .../<name>/release              lets all go, now and later; {"count": k} lets the first k go and stays closed
DELETE /control/gates/<name>           lets all go and forgets it
GET    /control/calls                  `count` of the calls that match ?marker= &model= &key= &outcome=, and the newest
                                       ?limit= (1000) of them, oldest first (`calls.py`); ?bodies=0 leaves bodies out
DELETE /control/calls                  forgets them
GET    /control/generations            `count` of the generations of music that match ?marker= &prompt= (a part of it) &provider=
                                       &model= &key= &task_id=, and the newest ?limit= (1000) of them (`generations.py`)
POST   /control/reset                  forgets scripts, calls and generations, lets all held calls go

Polls (`record-info`), `credit`, uploads (`file-stream-upload`) and readings of files (`file`) of Suno are calls with that word as
their `model`: a script with it as its `model` is for them. They have the marker of their task, if it has one, to be counted by; a
script with a marker is for the call that begins the task.
"""

from typing import Any

import orjson
from pydantic import ValidationError

from beatra_site.sandbox.calls import KEPT_CALLS, Calls
from beatra_site.sandbox.exchange import Exchange
from beatra_site.sandbox.gates import Gate
from beatra_site.sandbox.generations import KEPT, Generations
from beatra_site.sandbox.scripts import ScriptForm, Scripts

FILTERS = ("marker", "model", "key", "outcome")
GENERATION_FILTERS = ("marker", "prompt", "provider", "model", "key", "task_id")


class Control:
    """Scripts, gates and calls of one process, and the HTTP in front of them."""

    def __init__(self) -> None:
        self.scripts = Scripts()
        self.gates: dict[str, Gate] = {}
        self.calls = Calls(kept=KEPT_CALLS)
        self.generations = Generations(kept=KEPT, logged=True)

    def gate(self, name: str) -> Gate:
        """The gate of that name, closed if it is new."""
        return self.gates.setdefault(name, Gate())

    async def __call__(self, exchange: Exchange) -> None:
        body = await exchange.body()
        try:
            content = orjson.loads(body) if body else {}
            status, answer = await self._answer(exchange, content)
        except (orjson.JSONDecodeError, ValidationError, ValueError) as error:
            status, answer = 400, {"error": {"code": "sandbox_control", "message": str(error)}}
        await exchange.json(status, answer)

    async def _answer(self, exchange: Exchange, content: Any) -> tuple[int, dict[str, Any]]:
        match exchange.method, exchange.path.split("/")[2:]:
            case "POST", ["scripts"]:
                return 200, self.scripts.add(ScriptForm.model_validate(content)).as_json()
            case "GET", ["scripts", name] if script := self.scripts.find(name):
                return 200, script.as_json()
            case "DELETE", ["scripts"]:
                self.scripts.clear()
            case "DELETE", ["scripts", name]:
                self.scripts.remove(name)
            case "POST", ["gates", name]:
                self.gate(name).open = False
                return 200, self.gate(name).as_json(name)
            case "GET", ["gates", name]:
                gate = self.gate(name)
                if "waiting" in exchange.query:
                    await gate.until(int(exchange.query["waiting"]), seconds=float(exchange.query.get("timeout", 30)))
                return 200, gate.as_json(name)
            case "POST", ["gates", name, "release"]:
                gate = self.gate(name)
                released = await gate.release(content.get("count"))
                return 200, {**gate.as_json(name), "released": released}
            case "DELETE", ["gates", name]:
                if gone := self.gates.pop(name, None):
                    await gone.release(None)
            case "GET", ["calls"]:
                return 200, self._calls(exchange.query)
            case "GET", ["generations"]:
                return 200, self._generations(exchange.query)
            case "DELETE", ["calls"]:
                self.calls.clear()
            case "POST", ["reset"]:
                await self._reset()
            case _:
                return 404, {"error": {"code": "sandbox_control", "message": f"No {exchange.method} {exchange.path} here"}}
        return 200, {}

    def _calls(self, query: dict[str, str]) -> dict[str, Any]:
        calls = self.calls.matching(**_conditions(query, FILTERS, beside={"limit", "bodies"}))
        newest = calls[max(0, len(calls) - int(query.get("limit", 1000))) :]
        return {"count": len(calls), "calls": [call.as_json(bodies=query.get("bodies") != "0") for call in newest]}

    def _generations(self, query: dict[str, str]) -> dict[str, Any]:
        found = self.generations.matching(**_conditions(query, GENERATION_FILTERS, beside={"limit"}))
        return {"count": len(found), "generations": found[max(0, len(found) - int(query.get("limit", 1000))) :]}

    async def _reset(self) -> None:
        self.scripts.clear()
        self.calls.clear()
        self.generations.clear()
        for gate in self.gates.values():
            await gate.release(None)
        self.gates.clear()


def _conditions(query: dict[str, str], filters: tuple[str, ...], *, beside: set[str]) -> dict[str, str]:
    conditions = {name: value for name, value in query.items() if name in filters}
    if unknown := query.keys() - conditions.keys() - beside:
        raise ValueError(f"Unknown filter: {', '.join(sorted(unknown))}")
    return conditions
