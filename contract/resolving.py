"""Asking the system's resolver for names that callers chose.

Each question takes a thread for as long as the name's own servers please, also when nobody waits for it any more. So it is waited for
a while only, and no caller has more than a share of the threads: who names slow servers waits for his own.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from threading import Lock

THREADS = 64
SHARE = 8
WAIT_SECONDS = 4.0
_TURN_SECONDS = 0.02

on_behalf_of: ContextVar[Hashable] = ContextVar("on_behalf_of", default=None)
"""Whose share a name is resolved on. Authentication sets it; what nobody is known for has one share together."""


def ask_system(host: str, port: int) -> list[str]:
    """Every address `host` stands for, by the system's resolver. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """`await resolver(host, port)`: what `ask`, called in a thread of its own, gives. Raises what it raises, or TimeoutError."""

    def __init__(self, ask: Callable[[str, int], list[str]] = ask_system, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._ask = ask
        self._wait_seconds = wait_seconds
        # Not the loop's own, which have other work
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolve")
        self._asking: Counter[Hashable] = Counter()
        self._lock = Lock()

    async def __call__(self, host: str, port: int) -> list[str]:
        whose = on_behalf_of.get()
        async with asyncio.timeout(self._wait_seconds):
            while not self._took_a_thread(whose):  # noqa: ASYNC110  it is given back in a thread, that of any loop
                await asyncio.sleep(_TURN_SECONDS)
            answer = self._threads.submit(self._ask, host, port)
            # The thread is free when the question ends, not when we stop to wait
            answer.add_done_callback(lambda _: self._gave_back(whose))
            return await asyncio.wrap_future(answer)

    def _took_a_thread(self, whose: Hashable) -> bool:
        with self._lock:
            if self._asking[whose] >= SHARE or self._asking.total() >= THREADS:
                return False
            self._asking[whose] += 1
            return True

    def _gave_back(self, whose: Hashable) -> None:
        with self._lock:
            self._asking[whose] -= 1
            if not self._asking[whose]:
                del self._asking[whose]
