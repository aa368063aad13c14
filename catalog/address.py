"""Where a route goes, here and now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from django.conf import settings

# The sandbox's stand-ins, by the transport that speaks to them
_STAND_INS: Final[Mapping[str, str]] = {"native": "chat/v1", "litellm": "chat/v1", "minimax_music": "minimax", "suno": "suno"}


def address(*, transport: str, sandbox: bool, base_url: str, base_url_env: str, credential_env: str) -> str | None:
    """The address of a route's upstream, without a slash at its end; empty where LiteLLM knows it.

    None: the route can't be used in this process, for want of the sandbox, of its credential or of an address. Read from the
    environment at each call.
    """
    if sandbox:
        return f"{settings.SANDBOX_URL.rstrip('/')}/{_STAND_INS[transport]}" if settings.SANDBOX else None
    if credential_env and not os.environ.get(credential_env):
        return None
    found = (os.environ.get(base_url_env, "") if base_url_env else "") or base_url
    return found.rstrip("/") if found or transport == "litellm" else None
