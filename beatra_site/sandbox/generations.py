"""What the music providers began to make, and would bill: one record each, for tests to say "generated once".

Each is a line of the log too, which outlives a process that is killed: GENERATION and the record as JSON, without the prompt.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson

KEPT = 50_000
GENERATION: Final = "generation "


@dataclass
class Generation:
    """One song, or pair of takes, that a provider began. `delivered` counts the times its audio was handed over whole."""

    number: int
    provider: str
    model: str
    prompt: str
    marker: str | None
    key: str | None
    call: int
    task_id: str | None = None
    cover: bool = False
    began_at: float = field(default_factory=time.time)
    delivered: int = 0


class Generations:
    """The newest generations, in order of their beginning."""

    def __init__(self, *, kept: int, logged: bool = False) -> None:
        self._logged = logged
        self._numbers = itertools.count(1)
        self._generations: deque[Generation] = deque(maxlen=kept)

    def begin(self, **fields: Any) -> Generation:
        """Counts one."""
        generation = Generation(next(self._numbers), **fields)
        self._generations.append(generation)
        if self._logged:
            record = {name: value for name, value in asdict(generation).items() if name != "prompt"}
            print(GENERATION + orjson.dumps(record).decode(), flush=True)  # noqa: T201
        return generation

    def matching(self, *, prompt: str | None = None, **conditions: str) -> list[dict[str, Any]]:
        """Those whose marker, provider, model, key or task are the given ones, and whose prompt contains `prompt`."""
        return [
            asdict(generation)
            for generation in self._generations
            if all(getattr(generation, name) == value for name, value in conditions.items()) and (prompt or "") in generation.prompt
        ]

    def clear(self) -> None:
        self._generations.clear()
