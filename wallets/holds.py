"""Hold, move, charge, release: the sync callers of the statements. What they say and are answered: wallets/rows_and_verdicts.py.

A call *places* a hold before its provider is called, then *settles* (the charge replaces the hold) or *releases* it; before it goes on
to another model or route it *moves* the hold to what that one may cost. The work is done by SQL statements over batches
(wallets/statements); the callers here are for Celery and the sweeper, the async ones of the web process are in
wallets/committer.py. All of them may be repeated: same usage id, same verdict, nothing moves twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import psycopg
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from wallets import statements
from wallets.batch import Statement
from wallets.models.wallet import LOCK_TIMEOUT
from wallets.rows_and_verdicts import Hold, Move, Release, Released, Reservation, Settled, Settlement, UsedUpCap, Verdict

__all__ = [
    "Hold",
    "Move",
    "NoRateError",
    "Release",
    "Released",
    "Reservation",
    "Settled",
    "Settlement",
    "UsedUpCap",
    "Verdict",
    "may_ask_again",
    "move",
    "place",
    "read_released",
    "read_settled",
    "read_verdict",
    "release",
    "settle",
]

ATTEMPTS = 5


class NoRateError(psycopg.DataError):
    """Neither the wallet nor the site has a credits-per-USD rate in force, so that the charge has no USD reference.

    Nothing was charged and the record is still open. Raised among psycopg's errors: to a caller it is one more reason why the
    books could not take a charge.
    """

    def __init__(self, wallet_id: int) -> None:
        super().__init__(f"no credits-per-USD rate is in force for wallet {wallet_id}: `manage.py seed` sets the site's")


def place(holds: Sequence[Hold]) -> list[Verdict]:
    """Place `holds`, verdicts in their order: those of taking them one after another. Raises OperationalError when the database can't."""
    return _ask(statements.PLACE, holds, read_verdict)


def move(moves: Sequence[Move]) -> list[Verdict]:
    """Move the holds of `moves`, verdicts in their order. Raises OperationalError when the database can't."""
    return _ask(statements.MOVE, moves, read_verdict)


def settle(settlements: Sequence[Settlement]) -> list[Settled]:
    """Charge `settlements`, answers in their order. Raises OperationalError when the database can't.

    Raises NoRateError where a wallet has no rate; the others of the batch are charged.
    """
    answers = _ask(statements.SETTLE, settlements, tuple)
    return [read_settled(answer, settlement) for answer, settlement in zip(answers, settlements, strict=True)]


def release(releases: Sequence[Release], *, skip_locked: bool = False) -> list[Released]:
    """Give back the holds of `releases`, answers in their order. Raises OperationalError when the database can't.

    With `skip_locked`, wallets that another transaction has locked are left alone and answered `locked`.
    """
    statement = statements.RELEASE_SKIP_LOCKED if skip_locked else statements.RELEASE
    return _ask(statement, releases, read_released)


def read_verdict(row: Sequence[Any]) -> Verdict:
    if row[1] != "capped":
        return Verdict(row[1], row[2], row[3], row[4])
    limit, window, resets_at = row[5]
    cap = UsedUpCap(Decimal(limit), window, None if resets_at is None else datetime.fromisoformat(resets_at).astimezone(UTC))
    return Verdict(row[1], row[2], row[3], row[4], cap)


def read_settled(row: Sequence[Any], settlement: Settlement) -> Settled:
    if row[1] == statements.NO_RATE:
        raise NoRateError(settlement.wallet_id)
    return Settled(row[1], row[2], row[3], row[4])


def read_released(row: Sequence[Any]) -> Released:
    return Released(row[1])


class _Row(Protocol):
    @property
    def usage_id(self) -> str: ...


R = TypeVar("R", bound=_Row)
A = TypeVar("A")


def _ask(statement: Statement[R], rows: Sequence[R], read: Callable[[Sequence[Any]], A]) -> list[A]:
    """Put `rows` to `statement` until each has its answer; every pass answers at least one, so it ends."""
    answers: dict[int, A] = {}
    waiting = list(enumerate(rows))
    while waiting:
        found = _execute(statement.text, statement.parameters([row for _, row in waiting]))
        left = []
        for (place_in_batch, row), answer in zip(waiting, found, strict=True):
            if answer[1] == statements.AGAIN:
                left.append((place_in_batch, row))
            else:
                answers[place_in_batch] = read(answer)
        waiting = left
    return [answers[i] for i in range(len(rows))]


def _execute(text: str, parameters: Sequence[str]) -> list[tuple[Any, ...]]:
    """One statement in a transaction of its own, or the caller's. Deadlocks, lock time-outs, a race for one usage id and a lost
    connection are tried again, which is safe by the repeatability of the statements; but a caller's transaction can't be.
    """
    for attempt in range(1, ATTEMPTS + 1):
        outermost = not connection.in_atomic_block
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                cursor.execute(text, parameters)
                answers: list[tuple[Any, ...]] = cursor.fetchall()
                return answers
        except (OperationalError, IntegrityError) as error:
            if not outermost or attempt == ATTEMPTS or not may_ask_again(error):
                raise
            with suppress(DatabaseError):
                connection.close_if_unusable_or_obsolete()
            time.sleep(0.01 * 2**attempt)
    raise AssertionError("unreachable")


def may_ask_again(error: Exception) -> bool:
    """Whether a Django or psycopg error of a statement may pass: the database was away or busy, or one id was placed twice at once."""
    cause = error.__cause__ or error
    return isinstance(error, OperationalError) or getattr(cause, "sqlstate", None) == "23505"
