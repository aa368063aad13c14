"""place, move, settle and release for the web process: async, by one group commit a process (wallets/group_commit.py).

A row is asked for until its time below is over. Then psycopg.OperationalError is raised, and it is certain that the row was not and
will not be written; but for a charge that was sent and never acknowledged, which is asked for much longer, and then InDoubtError.
"""

from __future__ import annotations

import asyncio

import psycopg

from wallets import statements
from wallets.group_commit import GroupCommit
from wallets.holds import Hold, Move, Release, Released, Settled, Settlement, Verdict, read_released, read_settled, read_verdict

# Seconds for which an answer is asked for
PLACE_SECONDS = 8.0
CLOSE_SECONDS = 20.0
STOP_SECONDS = 10.0
# A charge with a larger answer takes its own time over a connection of its own, and nobody else's
LARGE_ANSWER_BYTES = 64 * 1024


async def place(hold: Hold) -> Verdict:
    """Place one hold. Its refusals are verdicts, not exceptions; whatever is raised, nothing stays held."""
    committer = _running()
    if committer.is_overloaded:
        raise psycopg.OperationalError("too many holds wait for the database")
    row = committer.put(statements.PLACE_SKIP_LOCKED, hold, seconds=PLACE_SECONDS)
    try:
        verdict = read_verdict(await row.answer)
        if verdict.kind == "held":
            _open.add(hold.usage_id)
        return verdict
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
    committer = _running(large=len(settlement.answer) > LARGE_ANSWER_BYTES)
    answer = await committer.put(statements.SETTLE_SKIP_LOCKED, settlement, seconds=CLOSE_SECONDS).answer
    settled = read_settled(answer, settlement)
    _open.discard(settlement.usage_id)
    return settled


async def release(release: Release) -> Released:
    """Give one hold back. Answered `closed`, the record was charged already, or never opened.

    Raises psycopg.OperationalError if that takes too long; it is then done as soon as the database can, for as long as this process runs.
    """
    _open.discard(release.usage_id)
    row = _running().put(statements.RELEASE_SKIP_LOCKED, release, seconds=CLOSE_SECONDS, for_good=True)
    return read_released(await row.answer)


def is_open(usage_id: str) -> bool:
    """Whether a call of this process has the hold of that record and has not ended it."""
    return usage_id in _open


async def start() -> None:
    """A startup hook: from now on rows are taken. The pool need not be open, nor the database there."""
    global _committers
    _committers = (GroupCommit(), GroupCommit())
    _open.clear()


async def stop() -> None:
    """A shutdown hook: what waits is written, for STOP_SECONDS at most; what comes later is refused as if the database were away."""
    await asyncio.gather(*(committer.stop(seconds=STOP_SECONDS) for committer in _committers))


def _running(*, large: bool = False) -> GroupCommit:
    if not _committers:
        raise RuntimeError("the committer is not running: wallets.committer.start() belongs to the lifespan's start")
    return _committers[large]


# For all rows, and for charges with large answers
_committers: tuple[GroupCommit, GroupCommit] | tuple[()] = ()
# The records that calls of this process hold, by their id
_open: set[str] = set()
