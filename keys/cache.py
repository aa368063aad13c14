"""Keys that this process has seen lately, so that authentication costs no I/O.

A row is good for `TTL_SECONDS` counted from before it was read: whatever becomes of the word to forget it (`keys.forgetting`), nothing
older is ever used.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from keys.caller import Caller

TTL_SECONDS: Final = 5.0
MOST_ENTRIES: Final = 10_000

Load = Callable[[str], Awaitable[Caller | None]]
"""Reads the row of a digest from the database; None if there is none."""


class KeyCache:
    """Digest to Caller, for one event loop. Knows revoked keys too, but not unknown ones: anybody could fill it with those."""

    def __init__(self, *, ttl_seconds: float = TTL_SECONDS, most_entries: int = MOST_ENTRIES) -> None:
        self._ttl_seconds = ttl_seconds
        self._most_entries = most_entries
        self._entries: dict[str, tuple[float, Caller]] = {}  # by time of loading, oldest first
        self._loads: dict[str, asyncio.Task[Caller | None]] = {}

    async def get(self, digest: str, load: Load) -> Caller | None:
        """The row of this digest, by `load` unless it is known. However many ask at once, one load runs."""
        entry = self._entries.get(digest)
        if entry is not None and time.monotonic() - entry[0] < self._ttl_seconds:
            return entry[1]
        task = self._loads.get(digest)
        if task is None:
            task = self._loads[digest] = asyncio.create_task(self._load(digest, load))
        # shielded: one request that is given up must not take the others' load with it
        return await asyncio.shield(task)

    async def _load(self, digest: str, load: Load) -> Caller | None:
        started = time.monotonic()
        mine = asyncio.current_task()
        try:
            caller = await load(digest)
            # forgotten while it was being read: what was read may be older than the word to forget it
            if caller is not None and self._loads.get(digest) is mine:
                self._entries.pop(digest, None)
                self._entries[digest] = (started, caller)
                if len(self._entries) > self._most_entries:
                    del self._entries[next(iter(self._entries))]
            return caller
        finally:
            if self._loads.get(digest) is mine:
                del self._loads[digest]

    def __contains__(self, digest: object) -> bool:
        return digest in self._entries

    def forget(self, digest: str) -> None:
        """Forget this key, also what is being read of it."""
        self._entries.pop(digest, None)
        self._loads.pop(digest, None)

    def forget_account(self, account_id: int) -> None:
        """Forget the keys of this account."""
        for digest in [digest for digest, (_, caller) in self._entries.items() if caller.account_id == account_id]:
            del self._entries[digest]
        self._loads.clear()  # of these the account is not known yet

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._loads.clear()


KEYS = KeyCache()
"""This process's cache."""
