"""Holds, charges and releases for tests, priced so that cost x markup is the charge, as the audit wants it."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from wallets import holds
from wallets.holds import Hold, Move, Release, Settlement
from wallets.models import Wallet

MARKUP = Decimal(1000)


def new_id() -> str:
    return f"chatcmpl_{uuid.uuid4().hex[:26]}"


def hold(
    wallet: Wallet | int, credits: Decimal | str | int, *, usage_id: str | None = None, process_id: str = "tests", **fields: Any
) -> Hold:
    return Hold(
        usage_id=usage_id or new_id(),
        wallet_id=wallet if isinstance(wallet, int) else wallet.pk,
        credits=Decimal(credits),
        process_id=process_id,
        **{"capability": "chat", "credits_per_litellm_usd": MARKUP, "price_version": 1, **fields},
    )


def charge(held: Hold, credits: Decimal | str | int, **fields: Any) -> Settlement:
    return Settlement(
        usage_id=held.usage_id,
        wallet_id=held.wallet_id,
        credits=Decimal(credits),
        **{
            "cost_usd": Decimal(credits) / held.credits_per_litellm_usd,
            "clause": "complete",
            "outcome": "answered",
            **fields,
        },
    )


def moving(held: Hold, credits: Decimal | str | int, **fields: Any) -> Move:
    return Move(
        usage_id=held.usage_id,
        wallet_id=held.wallet_id,
        credits=Decimal(credits),
        **{
            "model": held.model,
            "route": held.route,
            "credits_per_litellm_usd": held.credits_per_litellm_usd,
            "price_version": held.price_version,
            **fields,
        },
    )


def giving_back(held: Hold, *, clause: str = "upstream_failed", **fields: Any) -> Release:
    return Release(usage_id=held.usage_id, wallet_id=held.wallet_id, clause=clause, outcome="failed", **fields)


def now(wallet: Wallet) -> tuple[Decimal, Decimal, int]:
    """Balance, held and calls in flight, as the database has them."""
    wallet.refresh_from_db()
    return wallet.balance, wallet.held, wallet.in_flight


def rate_in_force(wallet: Wallet) -> Decimal:
    """Credits per USD of a call that is charged now; a call of no credits, so that any wallet can have it."""
    held = hold(wallet, 0)
    holds.place([held])
    return holds.settle([charge(held, 0)])[0].rate
