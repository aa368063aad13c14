"""Whether somebody has an address that is known to be theirs."""

from __future__ import annotations

from allauth.account.models import EmailAddress


def has_verified_address(user_id: int) -> bool:
    """Whether the user has confirmed an email address: what mail goes to, and what buying, redeeming and making keys take."""
    return bool(EmailAddress.objects.filter(user_id=user_id, verified=True).exists())
