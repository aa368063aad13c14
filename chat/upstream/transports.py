"""Which transport a route goes over, and what they keep open in a process."""

from __future__ import annotations

from catalog.snapshot import RouteInfo
from chat.upstream import Upstream
from chat.upstream.litellm import LiteLLMTransport
from chat.upstream.native import NativeTransport

_native = NativeTransport()
_litellm = LiteLLMTransport()


def of(route: RouteInfo) -> Upstream:
    """The transport of `route`."""
    return _native if route.transport == "native" else _litellm


async def open() -> None:
    """A startup hook: ready for calls. LiteLLM is not imported here (`chat.lifetime`)."""
    await _native.open()


async def close() -> None:
    """A shutdown hook: every connection to a provider is closed."""
    await _native.close()
