"""What a dispute, as the provider tells of it, does with its top-up.

`created` and `funds_withdrawn`: the bank took the money. `closed`: it was decided, and its status says how. An inquiry (a status that
begins with `warning_`) is none yet, however it ends: nothing was taken. Nor does `funds_reinstated` decide anything but with the status
`won`: of a payment that was refunded in part, that part comes back, whoever wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wallets.models import Dispute, TopUp, WebhookEvent
from wallets.top_ups import payments, take_backs
from wallets.top_ups.comparing import RefusedError, compare_payment, usd, verdict_of

Verdict = WebhookEvent.Verdict


def settle(top_up: TopUp, what: str, dispute: Mapping[str, Any]) -> tuple[WebhookEvent.Verdict, str]:
    """Do with a top-up what `charge.dispute.<what>` asks for; its caller has locked it. Raises RefusedError when they don't fit."""
    if (currency := payments.text(dispute.get("currency"))) != top_up.currency:
        raise RefusedError(f"it is in {currency[:10] or 'no money'}, not {top_up.currency}")
    compare_payment(top_up, payments.text(dispute.get("payment_intent")))
    dispute_id, status = payments.text(dispute.get("id")), payments.text(dispute.get("status"))
    # Stripe's have 27 characters; a reference of the ledger holds one of these, the top-up's id and a sum
    if not 0 < len(dispute_id) <= 40:
        raise RefusedError("it has no id that we could keep")
    # A bank may take more than was paid; not from the customer
    amount_usd = min(usd(dispute.get("amount")), top_up.amount_usd)
    if amount_usd <= 0:
        raise RefusedError("it is about nothing")
    about = {"dispute_id": dispute_id, "amount_usd": amount_usd}
    if status.startswith("warning_"):
        if what == "funds_withdrawn":
            raise RefusedError("its money is said to be gone, but it is an inquiry")
        return Verdict.IGNORED, "an inquiry"
    if what == "funds_reinstated" and status != "won":
        return Verdict.IGNORED, "it is not decided by that"
    _compare_decided(top_up, what, status, dispute_id)
    if what in ("created", "funds_withdrawn"):
        return verdict_of(take_backs.dispute(top_up, **about), Verdict.DISPUTED)
    if status == "won":
        return verdict_of(take_backs.close_dispute(top_up, **about, won=True), Verdict.DISPUTE_WON)
    if status == "lost":
        return verdict_of(take_backs.close_dispute(top_up, **about, won=False), Verdict.DISPUTE_LOST)
    raise RefusedError(f"it was closed as {status[:40] or 'nothing'}")


def _compare_decided(top_up: TopUp, what: str, status: str, dispute_id: str) -> None:
    """Raises RefusedError when a dispute that was decided is told to be decided otherwise: webhooks come in no order, so that nobody
    but staff can know which is the last word. `created` comes once: after the decision it is only late."""
    decided = top_up.disputes.filter(dispute_id=dispute_id).values_list("status", flat=True).first()
    if decided == Dispute.Status.WON and (what == "funds_withdrawn" or status == "lost"):
        raise RefusedError("it was won before, and its money is said to be gone: if so, take its credits by hand")
    if decided == Dispute.Status.LOST and status == "won":
        raise RefusedError("it was lost before, and is said to be won: if so, give its credits back by hand")
