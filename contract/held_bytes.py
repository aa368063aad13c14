"""How many bytes this process holds for whom: bodies that come or are being answered, answers that wait to be read.

Each has limits of its own, but nothing else bounds how many there are of one key's: whoever is known may send many bodies slowly, and
read many answers slowly. So what is held is counted per account, and beyond `limits.ACCOUNT_BYTES` no more is taken in.
A call that goes on though its caller has left holds its body until its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from contextvars import ContextVar
from typing import Final

from contract import limits
from contract.errors import ApiError

_held: Final[Counter[Hashable]] = Counter()


class HeldBytes:
    """What is held for one request of `whose`; of nobody known, nothing is counted. To be let go of by `drop` in any case."""

    def __init__(self, whose: Hashable) -> None:
        self._whose = whose
        self._bytes = 0

    def take_in(self, size: int) -> None:
        """So many bytes more of a body have come. Raises ApiError rate_limited if that is too much of one account's."""
        self.hold(self._bytes + size)
        if size and _held[self._whose] > limits.ACCOUNT_BYTES:
            raise ApiError(
                "rate_limited",
                f"Requests and unread answers of this account hold {limits.ACCOUNT_BYTES // limits.MIB} MiB, as much as they may at once.",
                details={"limit": limits.Name.ACCOUNT_BYTES},
                retry_after_seconds=limits.BUSY_RETRY_SECONDS,
            )

    def hold(self, size: int) -> None:
        """So many bytes are held now, in place of what was. It can't be refused any more."""
        if self._whose is None or size == self._bytes:
            return
        _held[self._whose] += size - self._bytes
        self._bytes = size
        if not _held[self._whose]:
            del _held[self._whose]

    def handed_over(self) -> HeldBytes:
        """What holds all of this from now on, for what outlives the request; this holds nothing, and is counted on from there."""
        other = HeldBytes(self._whose)
        other._bytes, self._bytes = self._bytes, 0
        return other

    def drop(self) -> None:
        """Nothing is held any more."""
        self.hold(0)


of_request: ContextVar[HeldBytes | None] = ContextVar("of_request", default=None)
"""What is held for the request at hand, where its handler counts it: its body, until its answer is there."""
