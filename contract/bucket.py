"""What a token bucket is, and how it is counted in one process's memory. Across all processes: contract/token_bucket.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

# Some 200 bytes each
_MOST_REMEMBERED: Final = 10_000


class Bucket(NamedTuple):
    """`most` tokens at the most, and as many grow back in `period_seconds`. Exact for up to a hundred million a minute."""

    key: str
    most: int
    period_seconds: float = 60.0

    @property
    def period(self) -> int:
        """In microseconds."""
        return round(self.period_seconds * 1_000_000)


class Wait(NamedTuple):
    """No token was taken: `bucket` is the last of those asked for to have one again, in `seconds`."""

    bucket: Bucket
    seconds: float


Question = Sequence[Bucket]


class Memory:
    """The same buckets in this process alone, those used last. For any thread."""

    def __init__(self, *, most_remembered: int = _MOST_REMEMBERED) -> None:
        self._most_remembered = most_remembered
        self._owed: dict[str, tuple[int, int]] = {}  # key -> (debt, at), as in the script; the one used last at the end
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._owed)

    def take(self, buckets: Question) -> Wait | None:
        """As `TokenBuckets.take`."""
        now = time.monotonic_ns() // 1000
        with self._lock:
            debts = [self._debt(bucket, now=now) + bucket.period for bucket in buckets]
            waits = [-((bucket.most * bucket.period - debt) // bucket.most) for bucket, debt in zip(buckets, debts, strict=True)]
            longest = max(range(len(waits)), key=waits.__getitem__)
            if waits[longest] > 0:
                return Wait(buckets[longest], waits[longest] / 1_000_000)
            for bucket, debt in zip(buckets, debts, strict=True):
                self._owed.pop(bucket.key, None)
                self._owed[bucket.key] = debt, now
                if len(self._owed) > self._most_remembered:
                    del self._owed[next(iter(self._owed))]
        return None

    def _debt(self, bucket: Bucket, *, now: int) -> int:
        debt, at = self._owed.get(bucket.key, (0, now))
        return max(min(debt, bucket.most * bucket.period) - (now - at) * bucket.most, 0)

    def clear(self) -> None:
        """Every bucket is full."""
        with self._lock:
            self._owed.clear()
