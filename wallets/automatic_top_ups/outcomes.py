"""What becomes of an automatic top-up's settings when a payment ends, or when something else ends them.

Below wallets/top_ups/topups.py and take_backs.py, which call this in the transaction that makes it true, with the wallet locked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils import timezone

from accounts import events
from accounts.models import User
from wallets.models import AutoTopUp, TopUp, Wallet
from wallets.top_ups import mails

PAUSE: Final = timedelta(minutes=5)
"""After a payment that left the wallet below its threshold: the next one waits for so long."""
BACK_OFF: Final = (timedelta(hours=1), timedelta(hours=6))
"""After the first failure in a row, and after the second. The third switches off."""

OffReason = AutoTopUp.OffReason


def paid(top_up: TopUp) -> None:
    """A payment arrived and its credits are in the wallet: failures in a row are over."""
    auto = _of(top_up)
    if auto is None:
        return
    auto.failures = 0
    now = timezone.now()
    is_low = Wallet.objects.filter(pk=top_up.wallet_id, balance__lt=auto.threshold_credits).exists()
    auto.next_try_at = now + PAUSE if is_low else now
    auto.save(update_fields=["failures", "next_try_at"])


def failed(top_up: TopUp) -> None:
    """A payment failed: wait, longer the second time, and be off after the third in a row. The customer is told what to do."""
    auto = _of(top_up)
    # What was tried with another card, or before it was switched off, says nothing about this one
    if auto is None or not auto.is_on or auto.payment_method_id != top_up.payment_method_id:
        return
    auto.failures += 1
    if auto.failures <= len(BACK_OFF):
        auto.next_try_at = timezone.now() + BACK_OFF[auto.failures - 1]
        auto.save(update_fields=["failures", "next_try_at"])
        mails.auto_failed(top_up, auto)
    else:
        auto.save(update_fields=["failures"])
        switch_off(auto, reason=OffReason.FAILURES)


def taken_back(top_up: TopUp, *, reason: AutoTopUp.OffReason) -> None:
    """A payment, by checkout or automatic, was refunded or disputed: the dip that this leaves is nothing to charge the card for."""
    auto = AutoTopUp.objects.filter(wallet_id=top_up.wallet_id).first()
    if auto is not None:
        switch_off(auto, reason=reason)


def switch_off(auto: AutoTopUp, *, reason: AutoTopUp.OffReason, actor: User | None = None, note: str = "") -> bool:
    """Charge no more; the caller has locked the wallet. `note` is staff's reason, for the audit trail. False when it was off.

    The customer is mailed unless he did it himself, knowing it.
    """
    if not auto.is_on:
        return False
    auto.is_on, auto.off_reason, auto.switched_at = False, reason, timezone.now()
    auto.save(update_fields=["is_on", "off_reason", "switched_at"])
    why = {"note": note} if note else {}
    events.record("auto_top_up.off", account=auto.wallet.account, actor=actor, reason=str(reason), **why)
    if reason not in (OffReason.CUSTOMER, OffReason.CARD_REMOVED):
        mails.auto_off(auto)
    return True


def _of(top_up: TopUp) -> AutoTopUp | None:
    return AutoTopUp.objects.filter(wallet_id=top_up.wallet_id).first() if top_up.kind == TopUp.Kind.AUTO else None
