"""place, move, settle and release for the web process: what waits at the same time goes to PostgreSQL as one statement.

One task and one connection per process (group commit). While a statement runs, the rows of other calls collect, and go together in the
next; nothing waits for company. Of what waits, charges and releases go before moves and holds, so that credits are free before they
are asked for; of one kind, and of one wallet, in order of arrival. Callers wake once their row is committed.

    a wallet that somebody else has locked   its rows wait a moment, everybody else's go on
    a row the database refuses               the batch is halved until it stands alone; it alone fails
    a deadlock, a short lock                 the same rows again
    a lost connection, the database away     the same rows again over a new one: the statements are repeatable by usage id, so a row
                                             that had been committed gets the answer it had, and nothing moves twice
    more holds than could be placed in time  refused at once, before they cost anything

A row is asked for until its time below is over. Then psycopg.OperationalError is raised, and it is certain that the row was not and
will not be written; but for a charge that was sent and never acknowledged, which is asked for much longer, and then InDoubtError.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import psycopg
from psycopg.errors import UniqueViolation

from wallets import pool, statements
from wallets.holds import (
    Hold,
    Move,
    Release,
    Released,
    Settled,
    Settlement,
    Verdict,
    read_released,
    read_settled,
    read_verdict,
)
from wallets.statements import Statement

logger = logging.getLogger(__name__)

# Seconds for which an answer is asked for
PLACE_SECONDS = 8.0
CLOSE_SECONDS = 20.0
# A charge that may have been written: what is certain takes as long as the database is away
DOUBT_SECONDS = 600.0
STOP_SECONDS = 10.0
# Holds that wait beyond these would not be placed within PLACE_SECONDS by a database that is slow
MOST_WAITING: Final = 1000
MOST_ROWS: Final = 256
# Sealed answers travel with their charges
MOST_BYTES: Final = 4 * 1024 * 1024
MOST_CLASHES: Final = 3
SHORTEST_PAUSE_SECONDS: Final = 0.002
LONGEST_PAUSE_SECONDS: Final = 0.05
LONGEST_AWAY_SECONDS: Final = 0.5
# No statement here waits for a wallet, so whatever else is locked is not worth everybody's time
LOCK_TIMEOUT: Final = "100ms"


class InDoubtError(psycopg.OperationalError):
    """Whether the charge was recorded is not known: the connection broke before the answer, and the database stayed away."""


async def place(hold: Hold) -> Verdict:
    """Place one hold. Its refusals are verdicts, not exceptions; whatever is raised, nothing stays held."""
    committer = _running()
    if committer.is_overloaded:
        raise psycopg.OperationalError("too many holds wait for the database")
    row = committer.put(statements.PLACE_SKIP_LOCKED, hold, seconds=PLACE_SECONDS)
    try:
        return read_verdict(await row.answer)
    except BaseException:  # also a caller who may not wait
        if row.was_sent:
            refused = Release(
                usage_id=hold.usage_id, wallet_id=hold.wallet_id, clause="not_sent", outcome="failed", error_code="service_unavailable"
            )
            committer.put(statements.RELEASE_SKIP_LOCKED, refused, seconds=CLOSE_SECONDS, for_good=True)
        raise


async def move(move: Move) -> Verdict:
    """Make one call's hold that of another model or route. Its refusals are verdicts; after them the hold is as it was."""
    return read_verdict(await _running().put(statements.MOVE_SKIP_LOCKED, move, seconds=PLACE_SECONDS).answer)


async def settle(settlement: Settlement) -> Settled:
    """Charge one open usage record. Answered `closed`, nothing was written, and the caller must say billing_failed.

    Raises NoRateError, a psycopg.Error, where no credits-per-USD rate is in force: nothing was written either. Raises InDoubtError if
    it can't be told.
    """
    return read_settled(await _running().put(statements.SETTLE_SKIP_LOCKED, settlement, seconds=CLOSE_SECONDS).answer, settlement)


async def release(release: Release) -> Released:
    """Give one hold back. Answered `closed`, the record was charged already, or never opened.

    Raises psycopg.OperationalError if that takes too long; it is then done as soon as the database can, for as long as this process runs.
    """
    row = _running().put(statements.RELEASE_SKIP_LOCKED, release, seconds=CLOSE_SECONDS, for_good=True)
    return read_released(await row.answer)


async def start() -> None:
    """A startup hook: from now on rows are taken. The pool need not be open, nor the database there."""
    global _committer
    _committer = Committer()


async def stop() -> None:
    """A shutdown hook: what waits is written, for as long as STOP_SECONDS; then no more is taken."""
    global _committer
    committer, _committer = _committer, None
    if committer is not None:
        await committer.stop(seconds=STOP_SECONDS)


def _running() -> Committer:
    if _committer is None:
        raise RuntimeError("the committer is not running: wallets.committer.start() belongs to the lifespan's start")
    return _committer


class _Row:
    """One row that waits for its answer. `is_lasting`: it is written even if nobody waits for that any more."""

    __slots__ = ("_timer", "answer", "clashes", "is_flying", "is_in_doubt", "is_lasting", "row", "was_sent")

    def __init__(self, row: Any, *, seconds: float, for_good: bool) -> None:
        loop = asyncio.get_running_loop()
        self.row = row
        self.answer: asyncio.Future[Sequence[Any]] = loop.create_future()
        self.is_lasting = for_good
        self.was_sent = self.is_flying = self.is_in_doubt = False
        self.clashes = 0
        self._timer = loop.call_later(seconds, self._give_up)
        if for_good:
            self.answer.add_done_callback(_heard)

    @property
    def is_wanted(self) -> bool:
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
            self._timer = asyncio.get_running_loop().call_later(LONGEST_PAUSE_SECONDS, self._give_up)
        else:
            self.answer.set_exception(psycopg.OperationalError("the database does not answer"))

    def _leave_open(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(InDoubtError("the database does not say whether a charge was recorded"))


def _heard(answer: asyncio.Future[Sequence[Any]]) -> None:
    """Nobody may be waiting: a failure that nobody hears of is no fault."""
    if not answer.cancelled():
        answer.exception()


class Committer:
    """The queue of one process, and the task that writes it. Made on the event loop that it serves."""

    def __init__(self) -> None:
        self._waiting: dict[Statement[Any], deque[_Row]] = {
            statement: deque()
            for statement in (
                statements.SETTLE_SKIP_LOCKED,
                statements.RELEASE_SKIP_LOCKED,
                statements.MOVE_SKIP_LOCKED,
                statements.PLACE_SKIP_LOCKED,
            )
        }
        # Wallets that somebody else has locked: the time of the loop when they are asked for again, and the pause until then
        self._locked: dict[int, tuple[float, float]] = {}
        # Rows that are being written at the moment
        self._flying = 0
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="committer")

    @property
    def is_overloaded(self) -> bool:
        return len(self._waiting[statements.PLACE_SKIP_LOCKED]) + self._flying >= MOST_WAITING

    def put(self, statement: Statement[Any], row: Any, *, seconds: float, for_good: bool = False) -> _Row:
        """Queue `row`; its `answer` is there once it is committed."""
        waiting = _Row(row, seconds=seconds, for_good=for_good)
        self._waiting[statement].append(waiting)
        self._idle.clear()
        self._more.set()
        return waiting

    async def stop(self, *, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        for waiting in self._waiting.values():
            for row in waiting:
                row.failed(psycopg.OperationalError("the process is stopping"))
        await self._hang_up()

    async def _run(self) -> None:
        away_seconds = 0.0
        while True:
            self._more.clear()
            wrote = False
            try:
                for statement, waiting in self._waiting.items():
                    if rows := self._take(waiting):
                        wrote = True
                        await self._write(statement, rows)
                away_seconds = 0.0
            except psycopg.OperationalError as error:
                if not away_seconds:
                    logger.warning("the database can't be written to: %s", type(error).__name__)
                away_seconds = min(max(away_seconds * 2, SHORTEST_PAUSE_SECONDS), LONGEST_AWAY_SECONDS)
                await asyncio.sleep(away_seconds)
                continue
            except Exception:
                # A fault of ours must not end the task that everybody waits for
                logger.exception("the committer failed")
                await asyncio.sleep(LONGEST_AWAY_SECONDS)
                continue
            if not wrote:
                await self._rest()

    async def _rest(self) -> None:
        """Until there is something to write."""
        if not any(self._waiting.values()):
            self._locked.clear()
            self._idle.set()
            await self._more.wait()
            return
        # All that waits are rows of wallets that are locked
        due_at = min(self._locked[row.row.wallet_id][0] for waiting in self._waiting.values() for row in waiting)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due_at):
                await self._more.wait()

    def _take(self, waiting: deque[_Row]) -> list[_Row]:
        """The next rows to write, in their order; those of a wallet that is locked stay, and so do more than fit."""
        taken: list[_Row] = []
        staying: list[_Row] = []
        now, size = self._loop.time(), 0
        while waiting and len(taken) < MOST_ROWS and size < MOST_BYTES:
            row = waiting.popleft()
            if not row.is_wanted:
                continue
            if (locked := self._locked.get(row.row.wallet_id)) and locked[0] > now:
                staying.append(row)
            else:
                taken.append(row)
                size += len(getattr(row.row, "answer", b""))
        waiting.extendleft(reversed(staying))
        return taken

    async def _write(self, statement: Statement[Any], rows: list[_Row]) -> None:
        """Put `rows` to `statement`, in parts if it must be. Raises psycopg.OperationalError if the database is away; they wait again."""
        parts = deque([rows])
        again: list[_Row] = []
        self._flying = len(rows)
        try:
            while parts:
                part = parts[0]
                try:
                    answers = await self._execute(statement, part)
                except Exception as error:
                    if isinstance(error, psycopg.OperationalError) and self._connection is None:
                        raise
                    parts.popleft()
                    if len(part) > 1:
                        middle = len(part) // 2
                        parts.extendleft((part[middle:], part[:middle]))
                    elif self._may_pass(part[0], error):
                        again += part
                    else:
                        part[0].failed(error)
                    continue
                again += self._hand_out(part, answers)
                parts.popleft()
        finally:
            self._flying = 0
            self._waiting[statement].extendleft(reversed([*again, *(row for part in parts for row in part)]))

    def _may_pass(self, row: _Row, error: Exception) -> bool:
        """Whether a row that failed by itself is worth another try: it met a lock, or one id was placed twice at once."""
        if isinstance(error, psycopg.OperationalError):
            self._pause(row.row.wallet_id)
            return True
        row.clashes += 1
        return isinstance(error, UniqueViolation) and row.clashes <= MOST_CLASHES

    def _hand_out(self, rows: Sequence[_Row], answers: Sequence[Sequence[Any]]) -> list[_Row]:
        """Give each row its answer. Those that have none yet are returned."""
        left = []
        for row, answer in zip(rows, answers, strict=True):
            if answer[1] == statements.LOCKED:
                self._pause(row.row.wallet_id)
                left.append(row)
            elif answer[1] == statements.AGAIN:
                left.append(row)
            else:
                self._locked.pop(row.row.wallet_id, None)
                row.answered(answer)
        return left

    def _pause(self, wallet_id: int) -> None:
        """Leave the rows of a wallet that is locked alone for a moment, longer each time. Of many rows in a batch the first counts."""
        now = self._loop.time()
        due_at, pause = self._locked.get(wallet_id, (0.0, SHORTEST_PAUSE_SECONDS / 2))
        if due_at <= now:
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            self._locked[wallet_id] = (now + pause, pause)

    async def _execute(self, statement: Statement[Any], rows: Sequence[_Row]) -> list[Sequence[Any]]:
        parameters = statement.parameters([row.row for row in rows])
        connection = await self._connected()
        for row in rows:
            row.was_sent = row.is_flying = True
        try:
            cursor = await connection.execute(statement.raw, parameters, prepare=True)
            return await cursor.fetchall()
        except BaseException:
            if connection.broken or connection.closed:
                await self._hang_up()
                for row in rows:
                    row.is_in_doubt = True
            raise
        finally:
            for row in rows:
                row.is_flying = False

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is not None and not _is_open(self._connection):
            await self._hang_up()
        if self._connection is None:
            self._connection = await pool.connect(lock_timeout=LOCK_TIMEOUT)
            # The statements have PostgreSQL's own $1: psycopg would look for its own in each of them every time
            self._connection.cursor_factory = psycopg.AsyncRawCursor
        return self._connection

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                await connection.close()


def _is_open(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether the other end is still there, as far as this end has been told: a row that was never sent is not in doubt."""
    with suppress(psycopg.OperationalError):
        for _ in range(2):  # the server's last words, and then the end
            connection.pgconn.consume_input()
    return not connection.broken


_committer: Committer | None = None
