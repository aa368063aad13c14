"""Which adapter speaks to which route."""

from __future__ import annotations

from catalog.models import Transport
from catalog.music_models import MusicRoute
from tasks_app.music.minimax import MiniMax
from tasks_app.music.provider import Provider
from tasks_app.music.suno import Suno


def provider_of(route: MusicRoute) -> Provider:
    """The provider behind a route of a music model. Cheap: nothing is opened until it is asked."""
    if route.transport == Transport.SUNO:
        return Suno(route)
    if route.transport == Transport.MINIMAX_MUSIC:
        return MiniMax(route)
    raise ValueError(f"{route.transport} is no transport of music")
