"""What the owner of a key keeps it to: one value, from the form to the row, the audit trail and the pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keys import networks
from keys.scopes import SCOPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """The columns of a key that restrict it, by their names; None of one is no restriction.

    `scopes` are ids of `keys.scopes`, `allowed_models` public ids of models, `allowed_networks` CIDR.
    """

    expires_at: datetime | None = None
    scopes: list[str] | None = None
    allowed_models: list[str] | None = None
    allowed_networks: list[str] | None = None
    requests_per_minute: int | None = None

    def columns(self) -> dict[str, Any]:
        """By the names of the row's columns."""
        return {name: getattr(self, name) for name in self.__slots__}

    def as_json(self) -> dict[str, Any]:
        """For the audit trail."""
        return self.columns() | {"expires_at": self.expires_at and self.expires_at.isoformat()}

    @property
    def scope_lines(self) -> list[str]:
        """The scopes as their names and what they cover."""
        return [f"{scope.name}: {scope.covers}" for scope in SCOPES if scope.id in (self.scopes or ())]

    @property
    def network_lines(self) -> list[str]:
        """The networks as people write them."""
        return [networks.in_words(network) for network in self.allowed_networks or ()]

    @property
    def glance(self) -> list[str]:
        """A few words for each restriction but the expiry, for a list of keys."""
        words = []
        if self.scopes is not None:
            words.append(", ".join(scope.name for scope in SCOPES if scope.id in self.scopes))
        if self.allowed_models is not None:
            words.append(_count(len(self.allowed_models), "model"))
        if self.allowed_networks is not None:
            words.append(_count(len(self.allowed_networks), "network"))
        if self.requests_per_minute is not None:
            words.append(f"{self.requests_per_minute} a minute")
        return words


NONE: Final = Restrictions()
"""May do everything, from everywhere, for ever."""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
