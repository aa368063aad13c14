"""Scripts: which fault the next matching calls get, step by step.

A script matches a call by any of three conditions, all of those given: `marker` (the call's last user message says
`[[script:ID]]`), `model` (the model name asked upstream) and `key` (the bearer token sent). One without conditions matches
every call. Each step counts for `times` calls; when the steps are used up the script matches no more and calls are answered
in health: "fail twice, then succeed" is `[{"status": 503, "times": 2}]`. Of several scripts that match, the one with most
conditions goes first, then the newest.
"""

import itertools
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from beatra_site.sandbox.faults import Fault, Step, Steps


class ScriptForm(BaseModel):
    """The body of `POST /control/scripts`."""

    model_config = ConfigDict(extra="forbid")

    marker: Annotated[str, Field(pattern=r"^[\w.:-]{1,100}$")] | None = None
    model: str | None = None
    key: str | None = None
    steps: list[Step]


class Script:
    """A registered script and how far it has come."""

    def __init__(self, number: int, form: ScriptForm) -> None:
        self.number = number
        self.form = form
        self.matched = 0
        self._steps = Steps(form.steps)

    @property
    def conditions(self) -> dict[str, str]:
        given = {"marker": self.form.marker, "model": self.form.model, "key": self.form.key}
        return {name: value for name, value in given.items() if value is not None}

    def matches(self, **call: str | None) -> bool:
        return len(self._steps) > 0 and all(call.get(name) == value for name, value in self.conditions.items())

    def next_fault(self) -> Fault:
        """The fault of the step that is due; uses it up once."""
        self.matched += 1
        return self._steps.next()

    def as_json(self) -> dict[str, object]:
        return {
            "id": str(self.number),
            **self.conditions,
            "text": f"[[script:{self.form.marker}]]" if self.form.marker else "",
            "matched": self.matched,
            "steps_left": len(self._steps),
        }


class Scripts:
    """All registered scripts."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._scripts: dict[int, Script] = {}

    def add(self, form: ScriptForm) -> Script:
        """Registers a script; one with the same conditions takes the place of the older."""
        script = Script(next(self._numbers), form)
        for number in [number for number, old in self._scripts.items() if old.conditions == script.conditions]:
            del self._scripts[number]
        self._scripts[script.number] = script
        return script

    def find(self, name: str) -> Script | None:
        """A script by its id or its marker."""
        return next((script for script in self._scripts.values() if name in (str(script.number), script.form.marker)), None)

    def remove(self, name: str) -> None:
        if script := self.find(name):
            del self._scripts[script.number]

    def clear(self) -> None:
        self._scripts.clear()

    def fault_for(self, *, marker: str | None, model: str, key: str | None) -> Fault:
        """The fault that the scripts give this call; healthy when none matches."""
        matching = [script for script in self._scripts.values() if script.matches(marker=marker, model=model, key=key)]
        if not matching:
            return Fault()
        return max(matching, key=lambda script: (len(script.conditions), script.number)).next_fault()
