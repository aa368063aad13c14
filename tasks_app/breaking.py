"""The circuit breaker of a route of music, as a step uses it."""

from __future__ import annotations

from types import TracebackType

from catalog.music_models import MusicRoute


class Leave:
    """Leave to try a route once. Without a word it is dropped."""

    def failed(self) -> None: ...

    def succeeded(self) -> None: ...

    def __enter__(self) -> Leave:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def is_healthy(route: MusicRoute) -> bool:
    """Whether it may be tried: its breaker is closed, or due for a trial."""
    return True


def enter(route: MusicRoute, *, account_id: int) -> Leave | None:
    """Leave for this account to try the route once; None while its breaker is open."""
    return Leave()
