"""The whole ledger of a wallet as a CSV file, read and sent piece by piece: nobody holds all of it in memory.

Who reads slowly holds nothing but a piece: no connection to the database between two of them, and who stops reading is hung up on.
"""

from __future__ import annotations

import asyncio
import csv
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final
from weakref import WeakSet

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

from contract import limits
from contract.answers import time_text
from contract.returned_connections import give_back
from wallets.models import LedgerEntry

PIECE: Final = 1000
MOST_AT_ONCE: Final = 2
"""Of one wallet in a process: one that hangs, and another try."""
COLUMNS: Final = ("number", "time", "kind", "credits", "balance_after", "reference", "model")


class TooManyExports(Exception):
    """So many of the wallet are being sent already."""


class Export(StreamingHttpResponse):
    """The answer. Raises TooManyExports; `abort` ends the connection when nobody reads for `limits.UNREAD_SECONDS`."""

    def __init__(self, wallet_id: int, *, abort: Callable[[], Any], headers: dict[str, str]) -> None:
        self.wallet_id = wallet_id
        with _lock:
            if sum(export.wallet_id == wallet_id for export in _open) >= MOST_AT_ONCE:
                raise TooManyExports
            _open.add(self)
        super().__init__(read_in_time(rows_of(wallet_id), abort=abort), content_type="text/csv; charset=utf-8", headers=headers)

    def close(self) -> None:
        """Called by Django once the answer is sent, or its caller has left."""
        with _lock:
            _open.discard(self)
        super().close()


# Weak: an answer to a caller who leaves before it has begun is never closed
_open: Final[WeakSet[Export]] = WeakSet()
_lock: Final = threading.Lock()


async def read_in_time(pieces: AsyncIterator[bytes], *, abort: Callable[[], Any]) -> AsyncIterator[bytes]:
    """The pieces. `abort` is called if the next one is not asked for in time, which it is when this one has been taken."""
    async for piece in pieces:
        alarm = asyncio.get_running_loop().call_later(limits.UNREAD_SECONDS, abort)
        try:
            yield piece
        finally:
            alarm.cancel()


async def rows_of(wallet_id: int) -> AsyncIterator[bytes]:
    """The lines, the oldest entry first. Entries made meanwhile come too; those are after all others."""
    yield _lines([COLUMNS])
    after = 0
    while entries := await sync_to_async(_piece)(wallet_id, after=after):
        after = entries[-1].seq
        lines = _lines(map(_row, entries))
        del entries
        yield lines


def _piece(wallet_id: int, *, after: int) -> list[LedgerEntry]:
    entries = LedgerEntry.objects.filter(wallet=wallet_id, seq__gt=after).select_related("usage_record")
    shown = ("seq", "kind", "amount", "balance_after", "reference", "created_at", "usage_record__model")
    try:
        return list(entries.only(*shown).order_by("seq")[:PIECE])
    finally:
        give_back()


def _row(entry: LedgerEntry) -> tuple[Any, ...]:
    # The model that answered, by the catalog's name for it: what a caller asked for could be a spreadsheet's formula
    model = entry.usage_record.model if entry.usage_record else ""
    return entry.seq, time_text(entry.created_at), entry.kind, entry.amount, entry.balance_after, entry.reference, model


def _lines(rows: Iterable[tuple[Any, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
