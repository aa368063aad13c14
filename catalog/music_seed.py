"""The music models that a new installation starts with. `catalog.seed` adds them and switches their routes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from catalog.models import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicSeed:
    """A music model to begin with: its price in credits, what a task costs us in USD where that is known, and its provider."""

    id: str
    display_name: str
    auto_rank: int
    credits_per_task: Decimal
    provider_cost_usd: Decimal | None = None
    provider: str
    transport: Transport
    upstream_model: str
    base_url: str
    base_url_env: str
    credential_env: str


# In the order of `auto` they come after the chat models, so that lists of all models keep the kinds together. MiniMax first: it is the
# cheaper one and the provider's own API, and what it does not take (a prompt alone, to be sung) goes on to Suno.
MUSIC_SEEDS = (
    MusicSeed(
        id="minimax-music-2.6",
        display_name="MiniMax Music 2.6",
        auto_rank=110,
        credits_per_task=Decimal(50),
        # The vendor's list price of a song or a cover
        provider_cost_usd=Decimal("0.15"),
        provider="minimax",
        transport=Transport.MINIMAX_MUSIC,
        upstream_model="music-2.6",
        base_url="https://api.minimax.io",
        # Not MINIMAX_API_BASE, which is the chat API's and ends with /v1
        base_url_env="MINIMAX_MUSIC_API_BASE",
        credential_env="MINIMAX_API_KEY",
    ),
    MusicSeed(
        id="suno-5.5",
        display_name="Suno 5.5",
        auto_rank=120,
        credits_per_task=Decimal(80),
        provider="sunoapi",
        transport=Transport.SUNO,
        upstream_model="V5_5",
        base_url="https://api.sunoapi.org",
        base_url_env="SUNO_API_BASE",
        credential_env="SUNO_API_KEY",
    ),
)
