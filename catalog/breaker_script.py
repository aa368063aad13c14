"""What the two doors of a route's breaker share: the script that changes it in Redis, its figures, and the words it answers with.

`catalog.breaker` is the door of the event loop, `catalog.breaker_sync` that of workers.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Failures in a row within the window that open a route. A few, since a single 5xx is every provider's daily bread; each costs its
# caller a failover, so not many. No account counts with more than one less.
THRESHOLD: Final = 5
WINDOW_SECONDS: Final = 60.0
# Overload is often over in seconds; an outage is asked about every two minutes, at the cost of one call's wait for the failover.
OPEN_SECONDS: Final = 10.0
LONGEST_OPEN_SECONDS: Final = 120.0
# A trial hears of its provider within the time for the first output. If its process dies, the next trial comes this much later.
TRIAL_MARGIN_SECONDS: Final = 5.0
# An open route that nobody asked for this long is judged afresh.
_FORGET_SECONDS: Final = 600.0
# A call waits for Redis no longer: it is there in a millisecond, or away.
TALK_SECONDS: Final = 1.0

NAME: Final = "beatra:breakers"
SCRIPT: Final = Path(__file__).with_name("breaker.lua").read_text()


def limits(*, threshold: int, window_seconds: float, open_seconds: float, longest_seconds: float, trial_seconds: float) -> str:
    """The figures as the script takes them."""
    durations = {
        "window": window_seconds,
        "open": open_seconds,
        "longest": longest_seconds,
        "trial": trial_seconds,
        "forget": _FORGET_SECONDS,
    }
    return json.dumps({"threshold": threshold} | {f"{name}_ms": round(s * 1000) for name, s in durations.items()})


def channel(client: Any) -> str:
    """Where the processes tell each other. A channel is heard in every database of the server, but another database is another site."""
    return f"{NAME}:{client.connection_pool.connection_kwargs.get('db', 0)}"


@dataclass(frozen=True, slots=True)
class Word:
    """What Redis said of a route: "open" until it is due for a trial, "failing" while a success is news, or "closed"."""

    route_id: int
    standing: str
    seconds: float
    until: float  # monotonic

    @classmethod
    def of(cls, route_id: int, standing: str, *, seconds: float = 0) -> Word:
        return cls(route_id, standing, seconds, time.monotonic() + seconds)

    @classmethod
    def parse(cls, text: str) -> Word:
        route_id, standing, milliseconds = text.split()
        return cls.of(int(route_id), standing, seconds=int(milliseconds) / 1000)

    @property
    def open(self) -> bool:
        return self.standing == "open"
