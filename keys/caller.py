"""Who calls: what a key stands for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """One key, its account and wallet, as the request's handlers need them: `request.auth`, and `request.user` in DRF.

    `models` holds the public ids this key may call; None stands for every one.
    """

    account_id: int
    account_status: str
    wallet_id: int
    key_id: int
    key_prefix: str
    key_name: str
    models: frozenset[str] | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def is_authenticated(self) -> bool:
        """DRF's and Django's question to a principal: always true."""
        return True
