"""What stands at a provider for names that a caller gave us: end users and cache keys.

A provider gets a digest: stable, so that it can tell one user from another and meet its own cache; different for every account, so that
two accounts that name the same user stay strangers; and worth nothing without our secret.
"""

from __future__ import annotations

from typing import Literal

from django.utils.crypto import salted_hmac


def stand_in(name: str, *, account_id: int, purpose: Literal["end_user", "cache_key"]) -> str:
    """64 hexadecimal digits for `name`, as many as OpenAI takes: an HMAC with the account under a key derived from SECRET_KEY."""
    return salted_hmac(f"chat.stand_ins.{purpose}", f"{account_id}:{name}", algorithm="sha256").hexdigest()
