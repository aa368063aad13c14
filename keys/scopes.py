"""What a key may be for: the one table of capability scopes, and which of them each path of /v1 needs.

A key without scopes may do everything, also what is added later. A path that no line of `_NEEDS` covers is closed to keys that have
scopes, so a new view can't be forgotten: a test walks every path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from contract import limits
from contract.errors import ApiError


@dataclass(frozen=True, slots=True)
class Scope:
    """One capability. `id` is what is stored, and for kinds of models `catalog.models.Capability` too."""

    id: str
    name: str
    covers: str


SCOPES: Final = (
    Scope("chat", "Chat", "chat completions and their quotes"),
    Scope("music", "Music", "making music, following and canceling its tasks"),
    Scope("uploads", "Uploads", "sending, fetching and deleting files"),
    Scope("read", "Read", "the wallet, receipts of calls, and looking tasks up"),
)
IDS: Final = tuple(scope.id for scope in SCOPES)

_ANY_KEY: Final[tuple[str, ...]] = IDS

# A path and what is under it, whether it is only to look something up, and the scopes of which one will do. The first that fits counts.
_NEEDS: Final = (
    ("/v1/chat", False, ("chat",)),
    ("/v1/music", False, ("music",)),
    ("/v1/tasks", True, ("music", "read")),
    ("/v1/tasks", False, ("music",)),
    ("/v1/uploads", False, ("uploads",)),
    ("/v1/wallet", True, ("read",)),
    ("/v1/usage", True, ("read",)),
    # What there is to call: the list holds what the key may call, and nothing else
    ("/v1/models", True, _ANY_KEY),
    ("/v1/catalog", True, _ANY_KEY),
)


class WithPath(Protocol):
    """What is read of a request, Django's or DRF's."""

    @property
    def method(self) -> str | None: ...
    @property
    def path_info(self) -> str: ...


def needed(method: str | None, path: str) -> tuple[str, ...]:
    """The scopes of which one lets a request in. None at all: the path is closed to every key that has scopes."""
    is_look = method in ("GET", "HEAD")
    for covered, look_only, scopes in _NEEDS:
        if (path == covered or path.startswith(f"{covered}/")) and (is_look or not look_only):
            return scopes
    return ()


def check(scopes: frozenset[str], request: WithPath) -> None:
    """Raises ApiError forbidden unless a key with these scopes may make the request."""
    wanted = needed(request.method, request.path_info)
    if scopes.isdisjoint(wanted):
        names = " or ".join(f"'{scope}'" for scope in wanted)
        has = ", ".join(f"'{scope}'" for scope in IDS if scope in scopes)
        lacks = f"It lacks the scope {names}" if wanted else "No scope covers this path"
        raise ApiError(
            "forbidden", f"This key may not be used for that. {lacks}; it has {has or 'none'}.", details={"limit": limits.Name.SCOPE}
        )
