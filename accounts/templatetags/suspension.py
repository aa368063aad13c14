"""Why an account is suspended, where its customer reads it."""

from __future__ import annotations

from django import template

from accounts import suspension
from accounts.models import Account

register = template.Library()


@register.filter
def suspended_by_dispute(account: Account) -> bool:
    """Whether the account is suspended, and because a payment was disputed."""
    return account.status == Account.Status.SUSPENDED and suspension.is_by_dispute(account)
