"""The statements that move held and charged credits: place, move, settle, release. One request or a batch, the same text.

Each takes its rows in order of arrival (wallets/batch.py). What each does, in prose:

0. Lock the wallets of the batch, lowest id first. A statement sees a snapshot taken before it got the locks, but a locked row as
   it is now: so amounts come from the locked wallets (`l`), and a record is closed by an UPDATE that looks at it again. Spend caps
   are locked after their wallets (`cap`); wallets with caps that the snapshot does not have are left to the next statement.
1. Decide over the locked rows with window sums, in order of arrival.
2. Write records, entries, Idempotency-Keys and wallets, in that one statement: all or nothing.

Answers are those of handling the rows one after another. What one pass can't tell is answered `again`, which the caller asks
again; every pass decides at least one row of each wallet. With `skip_locked` the rows of a wallet that another transaction has
locked are answered `locked` and nothing is done about them, so that one busy wallet stalls nobody.

`wallet_id + 0`, `closed_at` for an open record and `expires_at + interval '0'` keep the planner from the indexes by wallet, of open
records and by the end of a key's window.
Nothing here is newer than PostgreSQL 14.
"""

from __future__ import annotations

from wallets.statements.move import MOVE, MOVE_SKIP_LOCKED
from wallets.statements.place import KEY_HOURS, PLACE, PLACE_SKIP_LOCKED
from wallets.statements.release import RELEASE, RELEASE_SKIP_LOCKED
from wallets.statements.settle import SETTLE, SETTLE_SKIP_LOCKED
from wallets.statements.words import AGAIN, LOCKED, NO_RATE

__all__ = [
    "AGAIN",
    "KEY_HOURS",
    "LOCKED",
    "MOVE",
    "MOVE_SKIP_LOCKED",
    "NO_RATE",
    "PLACE",
    "PLACE_SKIP_LOCKED",
    "RELEASE",
    "RELEASE_SKIP_LOCKED",
    "SETTLE",
    "SETTLE_SKIP_LOCKED",
]
