"""What a caller is told when the wallet or a spend cap does not carry what he asks for: a verdict as an error of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings

from contract import limits
from contract.answers import time_text
from contract.errors import ApiError
from wallets.money import as_text
from wallets.rows_and_verdicts import UsedUpCap, Verdict

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class AlreadyAnswered(ApiError):
    """The hold came too late: a request with the same Idempotency-Key has been answered meanwhile.

    The answer is to be replayed; to a caller who gets this error, a retry will be.
    """

    def __init__(self) -> None:
        super().__init__("idempotency_in_progress")


def refusal(verdict: Verdict, *, asks: str, credits: Decimal, key_url: str, affordable: Mapping[str, Any] = _NOTHING) -> ApiError:
    """The error for a `verdict` that is not `held`.

    `asks` begins the sentence that ends in what the wallet has: "This task costs 80.0000 credits"; `credits` are those. `key_url` is
    the page where the key's spend limits can be changed, `affordable` what else `details` of insufficient_balance has.
    Raises LookupError for the wallet of nobody.
    """
    match verdict.kind:
        case "insufficient":
            return _insufficient(verdict.available_credits, asks=asks, credits=credits, affordable=affordable)
        case "capped":
            assert verdict.cap is not None
            return _capped(verdict.cap, asks=asks, key_url=key_url)
        case "conflict":
            return ApiError("idempotency_conflict")
        case "in_progress":
            return ApiError("idempotency_in_progress")
        case "replay":
            return AlreadyAnswered()
        case "busy":
            return _busy(limits.Name.HELD_CREDITS, f"Calls in flight hold {as_text(verdict.held)} credits of the wallet")
        case "too_many":
            return _busy(
                limits.Name.CALLS_IN_FLIGHT, f"Calls of this account in flight: {verdict.in_flight}, as many as it may have at once"
            )
        case "cap_busy":
            return _busy(limits.Name.SPEND_CAP, "Calls in flight hold what is left of this key's spend limit")
        case "unknown_wallet":
            raise LookupError("there is no such wallet")
    raise ValueError(f"no refusal: {verdict.kind}")


def _insufficient(available: Decimal, *, asks: str, credits: Decimal, affordable: Mapping[str, Any]) -> ApiError:
    return ApiError(
        "insufficient_balance",
        f"{asks}; the wallet has {as_text(available)}.",
        details={
            "required_credits": as_text(credits),
            "available_credits": as_text(available),
            **affordable,
            "topup_url": settings.TOPUP_URL,
        },
    )


def _capped(cap: UsedUpCap, *, asks: str, key_url: str) -> ApiError:
    limit = f"{as_text(cap.limit_credits)} credits {'in total' if cap.window == 'total' else f'a {cap.window}'}"
    return ApiError(
        "spend_limit_reached",
        f"{asks}, and less is left of this key's spend limit of {limit}. Its owner can raise it at {key_url}.",
        details={
            "limit_credits": as_text(cap.limit_credits),
            "window": cap.window,
            "resets_at": None if cap.resets_at is None else time_text(cap.resets_at),
        },
    )


def _busy(limit: limits.Name, what: str) -> ApiError:
    message = f"{what}; retry when one of them has ended."
    return ApiError("rate_limited", message, details={"limit": limit}, retry_after_seconds=limits.BUSY_RETRY_SECONDS)
