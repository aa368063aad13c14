"""How many credits show as one USD, now."""

from __future__ import annotations

from decimal import Decimal

from django.db.models.functions import Now

from wallets.models import CreditsPerUsdRate, Wallet


def rate_for(wallet: Wallet | None) -> Decimal:
    """Credits per USD in force now for `wallet`: its own newest rate, else the site's, which the first migration sets to 1000.

    For pages and quotes; a charge reads its rate in `settle`'s own statement.
    """
    in_force = CreditsPerUsdRate.objects.filter(effective_from__lte=Now()).order_by("-effective_from", "-id")
    own = in_force.filter(wallet=wallet).first() if wallet is not None else None
    rate = own or in_force.filter(wallet=None).first()
    if rate is None:
        raise LookupError("the site has no credits-per-USD rate in force")
    return rate.value
