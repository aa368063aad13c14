"""Who calls: what a key stands for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from keys.networks import Network


@dataclass(frozen=True, slots=True)
class Caller:
    """One key, its account and wallet, as the request's handlers need them: `request.auth`, and `request.user` in DRF.

    `models` holds the public ids this key may call, `scopes` the capabilities it may use, `networks` where it may be used from;
    None stands for every one. `requests_per_minute` is the key's own figure, `account_requests_per_minute` the account's; None stands
    for no limit of the key's own, and for what every account has.
    """

    account_id: int
    account_status: str
    wallet_id: int
    key_id: int
    key_prefix: str
    key_name: str
    models: frozenset[str] | None = None
    scopes: frozenset[str] | None = None
    networks: tuple[Network, ...] | None = None
    requests_per_minute: int | None = None
    account_requests_per_minute: int | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    paused_at: datetime | None = None

    @property
    def is_authenticated(self) -> bool:
        """DRF's and Django's question to a principal: always true."""
        return True

    @property
    def key_url(self) -> str:
        """The page where its owner sees and changes the key, absolute."""
        return f"{settings.SITE_URL}{reverse('keys:detail', args=[self.key_id])}"
