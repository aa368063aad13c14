"""A row on its way to PostgreSQL, and how long somebody waits for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from wallets.holds import Settlement

# A charge that may have been written: what is certain takes as long as the database is away
DOUBT_SECONDS = 600.0
# How soon a charge in mid-air is looked at again when its time is up
FLIGHT_SECONDS: Final = 0.05


class InDoubtError(psycopg.OperationalError):
    """Whether the charge was recorded is not known: the connection broke before the answer, and the database stayed away."""


class WaitingRow:
    """One row of a statement that waits for its `answer`, for `seconds`, or `for_good`: then it is written even if nobody waits any more.

    The answer fails with psycopg.OperationalError when the time is up, and from then on the row is not written; but a charge that was
    sent and never acknowledged is waited for DOUBT_SECONDS more, and fails with InDoubtError.
    """

    __slots__ = ("_timer", "answer", "clashes", "is_flying", "is_in_doubt", "is_lasting", "is_stuck", "row", "was_sent")

    def __init__(self, row: Any, *, seconds: float, for_good: bool) -> None:
        loop = asyncio.get_running_loop()
        self.row = row
        self.answer: asyncio.Future[Sequence[Any]] = loop.create_future()
        self.is_lasting = for_good
        self.was_sent = self.is_flying = self.is_in_doubt = self.is_stuck = False
        self.clashes = 0
        self._timer = loop.call_later(seconds, self._give_up)
        if for_good:
            self.answer.add_done_callback(_heard)

    @property
    def is_wanted(self) -> bool:
        """Whether it may be written: whoever was given up on has been told that it will not be."""
        return self.is_lasting or not self.answer.done()

    def answered(self, answer: Sequence[Any]) -> None:
        self.is_lasting = False
        self._timer.cancel()
        if not self.answer.done():
            self.answer.set_result(answer)

    def failed(self, error: Exception) -> None:
        self.is_lasting = False
        self._timer.cancel()
        if not self.answer.done():
            self.answer.set_exception(error)

    def _give_up(self) -> None:
        if self.answer.done():
            return
        if isinstance(self.row, Settlement) and self.is_in_doubt:
            self._timer = asyncio.get_running_loop().call_later(DOUBT_SECONDS, self._leave_open)
        elif isinstance(self.row, Settlement) and self.is_flying:
            self._timer = asyncio.get_running_loop().call_later(FLIGHT_SECONDS, self._give_up)
        else:
            self.answer.set_exception(psycopg.OperationalError("the database does not answer"))

    def _leave_open(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(InDoubtError("the database does not say whether a charge was recorded"))


def _heard(answer: asyncio.Future[Sequence[Any]]) -> None:
    """Nobody may be waiting: a failure that nobody hears of is no fault."""
    if not answer.cancelled():
        answer.exception()
