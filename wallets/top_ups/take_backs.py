"""What a payment provider takes back of a top-up: refunds and disputes.

Each call may be repeated and may come in any order, before the payment itself too: what is taken for refunds and disputes together
is never more than the top-up gave. One transaction each, the caller's where there is one, with the wallet locked first; each returns
whether anything changed. The wallet may go below zero: the money is gone, whatever is left.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from accounts import events, suspension
from wallets import ledger
from wallets.automatic_top_ups import outcomes
from wallets.models import AutoTopUp, Dispute, EntryKind, TopUp
from wallets.money import EXACT, as_text, credits
from wallets.top_ups import mails


@transaction.atomic
def refund(top_up: TopUp, *, refunded_usd: Decimal) -> bool:
    """The provider gave back `refunded_usd` USD so far, all its refunds of the payment together: their share of the credits goes.

    All refunds together take what one of their sum would. Less than is known already (a word that came
    late) changes nothing. Of a top-up that is not credited (yet) only the sum is remembered. Raises ValueError for more than was paid.
    """
    top_up = TopUp.objects.lock(top_up.pk)
    if refunded_usd > top_up.amount_usd:
        raise ValueError(f"{refunded_usd} USD of {top_up.amount_usd} given back")
    if refunded_usd <= top_up.refunded_usd:
        return False
    part_usd = refunded_usd - top_up.refunded_usd
    top_up.refunded_usd = refunded_usd
    top_up.save(update_fields=["refunded_usd"])
    _take_for_refunds(top_up)
    outcomes.taken_back(top_up, reason=AutoTopUp.OffReason.REFUNDED)
    events.record("topup.refunded", account=top_up.wallet.account, actor=None, top_up=top_up.pk, refunded_usd=f"{refunded_usd:.2f}")
    mails.refunded(top_up, part_usd=part_usd)
    return True


@transaction.atomic
def dispute(top_up: TopUp, *, dispute_id: str, amount_usd: Decimal) -> bool:
    """The customer's bank took `amount_usd` USD of a payment back: their share of the credits goes, and the account is suspended.

    False when this dispute was known, whatever became of it. The caller has to see to it that all
    processes forget the account's keys (beatra_site/webhooks.py): they are above us.
    """
    top_up = TopUp.objects.lock(top_up.pk)
    opened, is_new = Dispute.objects.get_or_create(top_up=top_up, dispute_id=dispute_id, defaults={"amount_usd": amount_usd})
    if not is_new:
        return False
    _take_for_dispute(top_up, opened)
    outcomes.taken_back(top_up, reason=AutoTopUp.OffReason.DISPUTED)
    suspension.suspend(top_up.wallet.account, actor=None, reason=f"payment dispute {dispute_id} about top-up {top_up.pk}")
    mails.disputed(top_up, opened)
    return True


@transaction.atomic
def close_dispute(top_up: TopUp, *, dispute_id: str, amount_usd: Decimal, won: bool) -> bool:
    """A dispute was decided: won, its credits come back, and what other disputes and refunds still have to take goes; lost, nothing
    moves any more.

    Staff reopen the account by hand. A dispute that is closed before we heard that it was opened takes nothing if it was won,
    and everything if it was lost. False when it was closed before.
    """
    top_up = TopUp.objects.lock(top_up.pk)
    if not won:
        dispute(top_up, dispute_id=dispute_id, amount_usd=amount_usd)
        top_up.refresh_from_db()
    closed, is_new = Dispute.objects.get_or_create(top_up=top_up, dispute_id=dispute_id, defaults={"amount_usd": amount_usd})
    if closed.status != Dispute.Status.OPEN:
        return False
    closed.status, closed.closed_at = (Dispute.Status.WON if won else Dispute.Status.LOST), timezone.now()
    closed.save(update_fields=["status", "closed_at"])
    if won and closed.credits:
        reference = f"dispute_won:{top_up.pk}:{dispute_id}"
        ledger.credit(top_up.wallet_id, kind=EntryKind.DISPUTE_WON, amount=closed.credits, reference=reference)
        top_up.disputed_credits -= closed.credits
        top_up.save(update_fields=["disputed_credits"])
        take_due(top_up)
    if won and not is_new:
        mails.dispute_won(top_up, closed)
    events.record(
        "topup.dispute_closed", account=top_up.wallet.account, actor=None, top_up=top_up.pk, dispute=dispute_id, status=closed.status
    )
    return True


def take_due(top_up: TopUp) -> None:
    """Of a top-up (that is locked), take what disputes and refunds have to take and have not yet, as far as there is anything left: when
    it was just credited, or a dispute that had taken it was won."""
    for dispute in top_up.disputes.exclude(status=Dispute.Status.WON).order_by("id"):
        _take_for_dispute(top_up, dispute)
    _take_for_refunds(top_up)


def _share(top_up: TopUp, amount_usd: Decimal) -> Decimal:
    """Of the top-up's credits, those that `amount_usd` of its USD bought; all of them for all of it."""
    share: Decimal = EXACT.divide(EXACT.multiply(top_up.credits, amount_usd), top_up.amount_usd)
    return credits(share)


def _left(top_up: TopUp) -> Decimal:
    """Credits of the top-up that neither a refund nor a dispute has taken; none before it is paid."""
    if top_up.status != TopUp.Status.PAID:
        return Decimal(0)
    left: Decimal = top_up.credits - top_up.refunded_credits - top_up.disputed_credits
    return left


def _take_for_refunds(top_up: TopUp) -> None:
    """Take what refunds have to take and have not yet, as far as there is anything left."""
    amount = min(_share(top_up, top_up.refunded_usd) - top_up.refunded_credits, _left(top_up))
    if amount <= 0:
        return
    top_up.refunded_credits += amount
    # By the sum so far, which only grows
    reference = f"topup_refund:{top_up.pk}:{as_text(top_up.refunded_credits)}"
    ledger.credit(top_up.wallet_id, kind=EntryKind.TOPUP_REFUND, amount=-amount, reference=reference, may_overdraw=True)
    top_up.save(update_fields=["refunded_credits"])


def _take_for_dispute(top_up: TopUp, dispute: Dispute) -> None:
    """Take what a dispute has to take and has not yet, as far as there is anything left."""
    amount = min(_share(top_up, dispute.amount_usd) - dispute.credits, _left(top_up))
    if amount <= 0:
        return
    reference = f"dispute:{top_up.pk}:{dispute.dispute_id}"
    if dispute.credits:
        # By the sum so far, which only grows
        reference += f":{as_text(dispute.credits + amount)}"
    ledger.credit(top_up.wallet_id, kind=EntryKind.DISPUTE, amount=-amount, reference=reference, may_overdraw=True)
    dispute.credits += amount
    dispute.save(update_fields=["credits"])
    top_up.disputed_credits += amount
    top_up.save(update_fields=["disputed_credits"])
