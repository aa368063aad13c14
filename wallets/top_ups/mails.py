"""The mails about a top-up, each told once, in the transaction that makes it true (accounts/notices.py)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from accounts import notices
from wallets.models import AutoTopUp, Dispute, TopUp
from wallets.money import group


def paid(top_up: TopUp) -> None:
    """The receipt."""
    assert top_up.paid_at is not None
    _tell(
        top_up,
        "topup_paid",
        reference=f"topup:{top_up.pk}",
        paid_at=f"{top_up.paid_at:%Y-%m-%d %H:%M} UTC",
        is_automatic=top_up.kind == TopUp.Kind.AUTO,
        card=top_up.card,
    )


def failed(top_up: TopUp) -> None:
    """A payment that was on its way did not arrive."""
    _tell(top_up, "topup_failed", reference=f"topup_failed:{top_up.pk}")


def refunded(top_up: TopUp, *, part_usd: Decimal) -> None:
    """The provider has given money back: `part_usd` USD now, how much so far, and what it took of the credits."""
    refunded_usd = f"{top_up.refunded_usd:,.2f}"
    _tell(
        top_up,
        "topup_refunded",
        reference=f"topup_refunded:{top_up.pk}:{refunded_usd}",
        refunded_usd=refunded_usd,
        part_usd=f"{part_usd:,.2f}",
        is_all=top_up.refunded_usd == top_up.amount_usd,
        refunded_credits=group(top_up.refunded_credits),
    )


def disputed(top_up: TopUp, dispute: Dispute) -> None:
    """The payment was disputed: the credits are taken and the account is suspended."""
    _tell(
        top_up,
        "topup_disputed",
        reference=f"dispute:{top_up.pk}:{dispute.dispute_id}",
        disputed_usd=f"{dispute.amount_usd:,.2f}",
        disputed_credits=group(dispute.credits),
    )


def dispute_won(top_up: TopUp, dispute: Dispute) -> None:
    """The dispute ended, the payment stands and its credits are back."""
    _tell(
        top_up,
        "topup_dispute_won",
        reference=f"dispute_won:{top_up.pk}:{dispute.dispute_id}",
        disputed_credits=group(dispute.credits),
    )


def auto_failed(top_up: TopUp, auto: AutoTopUp) -> None:
    """An automatic payment failed: what to do, and when it is tried again."""
    next_try = f"{auto.next_try_at:%Y-%m-%d %H:%M} UTC"
    _tell(top_up, "auto_topup_failed", reference=f"auto_topup_failed:{top_up.pk}", card=auto.card, next_try=next_try)


def auto_off(auto: AutoTopUp) -> None:
    """Automatic top-ups were switched off, by somebody else than the customer."""
    assert auto.switched_at is not None
    _tell_of(auto, "auto_topup_off", reference=f"auto_topup_off:{auto.pk}:{auto.switched_at.timestamp()}", reason=auto.off_reason)


def auto_ceiling(auto: AutoTopUp, *, month: str) -> None:
    """The month's ceiling has no room for another automatic top-up; told once a month ("2026-11")."""
    _tell_of(auto, "auto_topup_ceiling", reference=f"auto_topup_ceiling:{auto.pk}:{month}", next_month=f"{auto.next_try_at:%Y-%m-%d}")


def _tell_of(auto: AutoTopUp, kind: str, *, reference: str, **more: Any) -> None:
    context = {
        "amount_usd": f"{auto.amount_usd:,.2f}",
        "ceiling_usd": f"{auto.monthly_ceiling_usd:,.2f}",
        "threshold": group(auto.threshold_credits),
        "card": auto.card,
        **more,
    }
    notices.tell(auto.wallet.account_id, kind, reference=reference, context=context)


def _tell(top_up: TopUp, kind: str, *, reference: str, **more: Any) -> None:
    context = {
        "id": top_up.pk,
        "amount_usd": f"{top_up.amount_usd:,.2f}",
        "credits": group(top_up.credits),
        "credits_per_usd": group(top_up.credits_per_usd_rate),
        **more,
    }
    notices.tell(top_up.wallet.account, kind, reference=reference, context=context)
