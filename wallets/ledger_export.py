"""The whole ledger of a wallet as a CSV file, read and sent piece by piece: nobody holds all of it in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from asgiref.sync import sync_to_async

from contract.answers import time_text
from wallets.models import LedgerEntry

PIECE: Final = 1000
COLUMNS: Final = ("number", "time", "kind", "credits", "balance_after", "reference", "model")


async def rows_of(wallet_id: int) -> AsyncIterator[bytes]:
    """The lines, the oldest entry first. Entries made meanwhile come too; those are after all others."""
    yield _lines([COLUMNS])
    after = 0
    while entries := await sync_to_async(_piece)(wallet_id, after=after):
        yield _lines(map(_row, entries))
        after = entries[-1].seq


def _piece(wallet_id: int, *, after: int) -> list[LedgerEntry]:
    entries = LedgerEntry.objects.filter(wallet=wallet_id, seq__gt=after).select_related("usage_record")
    shown = ("seq", "kind", "amount", "balance_after", "reference", "created_at", "usage_record__model")
    return list(entries.only(*shown).order_by("seq")[:PIECE])


def _row(entry: LedgerEntry) -> tuple[Any, ...]:
    # The model that answered, by the catalog's name for it: what a caller asked for could be a spreadsheet's formula
    model = entry.usage_record.model if entry.usage_record else ""
    return entry.seq, time_text(entry.created_at), entry.kind, entry.amount, entry.balance_after, entry.reference, model


def _lines(rows: Iterable[tuple[Any, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
