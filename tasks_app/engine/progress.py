"""How far a task is, in percent, as its customer sees it. It never falls; 100 is a success."""

from __future__ import annotations

import math
from typing import Final

PREPARING: Final = 5
GENERATING: Final = 10
SAVING: Final = 90


def of_work(percent: int) -> int:
    """Of a task, when its provider's work is this far."""
    return GENERATING + (SAVING - GENERATING) * max(0, min(percent, 100)) // 100


def of_silence(seconds: float) -> int:
    """Of a task whose provider has said nothing for so long: most are there in two minutes, and it never seems to be over."""
    return of_work(round(100 * (1 - math.exp(-seconds / 90))))


def of_saved(clips: int) -> int:
    """Of a task, when so many clips are stored."""
    return min(99, SAVING + 4 * clips)
