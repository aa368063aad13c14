"""What became of a call or a task and its price, as a page says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Clause:
    """What happened, what is charged for it, and the tone of its label (a css class)."""

    label: str
    happened: str
    charged: str
    tone: str = ""
