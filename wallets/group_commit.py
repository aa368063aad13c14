"""Group commit: the rows that wait at the same time go to PostgreSQL as one statement, over one connection, by one task.

While a statement runs, the rows of other calls collect, and go together in the next; nothing waits for company. Of what waits, charges
and releases go before moves and holds, so that credits are free before they are asked for; of one kind, and of one wallet, in order
of arrival. A row has its answer once it is committed.

    a wallet that somebody else has locked   its rows wait a moment, everybody else's go on
    a row the database refuses               the batch is halved until it stands alone; it alone fails
    a deadlock, a short lock                 the same rows again
    a lost connection, the database away     the same rows again over a new one: the statements are repeatable by usage id, so a row
                                             that had been committed gets the answer it had, and nothing moves twice
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import psycopg
from psycopg.errors import LockNotAvailable, QueryCanceled, UniqueViolation

from wallets import pool, statements
from wallets.batch import Statement
from wallets.waiting_row import InDoubtError, WaitingRow

logger = logging.getLogger(__name__)

# Holds that wait beyond these would not be placed in time by a database that is slow
MOST_WAITING = 1000
MOST_ROWS: Final = 256
# Sealed answers travel with their charges, and the event loop stands still while they are written down
MOST_BYTES: Final = 1024 * 1024
MOST_CLASHES: Final = 3
SHORTEST_PAUSE_SECONDS: Final = 0.002
LONGEST_PAUSE_SECONDS: Final = 0.05
# A row that waits for a lock by itself: each try of it holds everybody else up for as long as LOCK_TIMEOUT
STUCK_PAUSE_SECONDS: Final = 1.0
LONGEST_AWAY_SECONDS: Final = 0.5
# Longer than any statement is allowed to take: no answer by then is a connection that leads nowhere
ANSWER_SECONDS = 15.0
CLOSING_SECONDS: Final = 1.0
# No statement here waits for a wallet, so whatever else is locked is not worth everybody's time
LOCK_TIMEOUT: Final = "100ms"


class GroupCommit:
    """The queue of one process, and the task that writes it. Made on the event loop that it serves."""

    def __init__(self) -> None:
        self._waiting: dict[Statement[Any], deque[WaitingRow]] = {
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
        self._closing: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="committer")

    @property
    def is_overloaded(self) -> bool:
        return len(self._waiting[statements.PLACE_SKIP_LOCKED]) + self._flying >= MOST_WAITING

    def put(self, statement: Statement[Any], row: Any, *, seconds: float, for_good: bool = False) -> WaitingRow:
        """Queue `row`; its `answer` is there once it is committed."""
        waiting = WaitingRow(row, seconds=seconds, for_good=for_good)
        if self._task.done():
            waiting.failed(psycopg.OperationalError("the process is stopping"))
            return waiting
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
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSING_SECONDS)
        for waiting in self._waiting.values():
            for row in waiting:
                row.failed((InDoubtError if row.is_in_doubt else psycopg.OperationalError)("the process is stopping"))
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

    def _take(self, waiting: deque[WaitingRow]) -> list[WaitingRow]:
        """The next rows to write, in their order; those of a locked wallet stay, and so do more than fit. A stuck one goes alone."""
        taken: list[WaitingRow] = []
        staying: list[WaitingRow] = []
        now, size = self._loop.time(), 0
        while waiting and len(taken) < MOST_ROWS and size < MOST_BYTES:
            row = waiting.popleft()
            if not row.is_wanted:
                continue
            if (locked := self._locked.get(row.row.wallet_id)) and locked[0] > now:
                staying.append(row)
            elif row.is_stuck and taken:
                staying.append(row)
                break
            else:
                taken.append(row)
                size += len(getattr(row.row, "answer", b""))
                if row.is_stuck:
                    break
        waiting.extendleft(reversed(staying))
        return taken

    async def _write(self, statement: Statement[Any], rows: list[WaitingRow]) -> None:
        """Put `rows` to `statement`, in parts if it must be. Raises psycopg.OperationalError if the database is away; they wait again."""
        parts = deque([rows])
        again: list[WaitingRow] = []
        self._flying = len(rows)
        try:
            while parts:
                connection = await self._connected()
                # The others have been told meanwhile that they will not be written
                part = parts[0] = [row for row in parts[0] if row.is_wanted]
                try:
                    answers = await self._execute(connection, statement, part) if part else []
                except Exception as error:
                    if isinstance(error, psycopg.OperationalError) and self._connection is None:
                        raise
                    parts.popleft()
                    if len(part) > 1:
                        middle = len(part) // 2
                        parts.extendleft((part[middle:], part[:middle]))
                    elif self._may_pass(part[0], error):
                        again += part
                        if part[0].is_stuck:  # perhaps all of them are, and halving the rest would take as long each time
                            break
                    else:
                        part[0].failed(error)
                    continue
                again += self._hand_out(part, answers)
                parts.popleft()
        finally:
            self._flying = 0
            self._waiting[statement].extendleft(reversed([*again, *(row for part in parts for row in part)]))

    def _may_pass(self, row: WaitingRow, error: Exception) -> bool:
        """Whether a row that failed by itself is worth another try: it met a lock, or one id was placed twice at once."""
        if isinstance(error, psycopg.OperationalError):
            row.is_stuck = isinstance(error, LockNotAvailable | QueryCanceled)
            self._pause(row.row.wallet_id, longest=STUCK_PAUSE_SECONDS if row.is_stuck else LONGEST_PAUSE_SECONDS)
            return True
        row.clashes += 1
        return isinstance(error, UniqueViolation) and row.clashes <= MOST_CLASHES

    def _hand_out(self, rows: Sequence[WaitingRow], answers: Sequence[Sequence[Any]]) -> list[WaitingRow]:
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

    def _pause(self, wallet_id: int, *, longest: float = LONGEST_PAUSE_SECONDS) -> None:
        """Leave the rows of a wallet that is locked alone for a moment, longer each time. Of many rows in a batch the first counts."""
        now = self._loop.time()
        due_at, pause = self._locked.get(wallet_id, (0.0, SHORTEST_PAUSE_SECONDS / 2))
        if due_at <= now:
            pause = min(pause * 2, longest)
            self._locked[wallet_id] = (now + pause, pause)

    async def _execute(
        self, connection: psycopg.AsyncConnection[Any], statement: Statement[Any], rows: Sequence[WaitingRow]
    ) -> list[Sequence[Any]]:
        parameters = statement.parameters([row.row for row in rows])
        for row in rows:
            row.was_sent = row.is_flying = True
        asked = asyncio.create_task(_ask(connection, statement.raw, parameters))
        try:
            answered, _ = await asyncio.wait({asked}, timeout=ANSWER_SECONDS)
            if not answered:
                raise psycopg.OperationalError("the database does not answer")
            return asked.result()
        except BaseException:
            if not asked.done() or connection.broken or connection.closed:
                for row in rows:
                    row.is_in_doubt = True
                self._let_go(asked)
            raise
        finally:
            for row in rows:
                row.is_flying = False

    def _let_go(self, asked: asyncio.Task[Any]) -> None:
        """Leave the connection to the question that it has not answered: psycopg may take long to call that off."""
        asked.cancel()
        if self._connection is not None:
            closing = asyncio.create_task(_close_after(asked, self._connection))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._connection = None

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


async def _ask(connection: psycopg.AsyncConnection[Any], text: str, parameters: Sequence[str]) -> list[Sequence[Any]]:
    cursor = await connection.execute(text, parameters, prepare=True)
    return await cursor.fetchall()


async def _close_after(asked: asyncio.Task[Any], connection: psycopg.AsyncConnection[Any]) -> None:
    await asyncio.wait({asked})
    if not asked.cancelled():
        asked.exception()
    with suppress(psycopg.Error):
        await connection.close()
