"""What a payment by a saved card, as the provider tells of it, does with its automatic top-up: by answer, by webhook, or when asked."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from wallets.automatic_top_ups.card_payments import Payment
from wallets.models import TopUp, WebhookEvent
from wallets.top_ups import topups
from wallets.top_ups.comparing import RefusedError, compare_account, compare_money, compare_payment, verdict_of

Verdict = WebhookEvent.Verdict

# `requires_action`: the bank wants to see the customer, who is not there
_ENDED: Final = {"requires_payment_method", "requires_action", "requires_confirmation", "canceled"}


@transaction.atomic
def settle(top_up: TopUp, payment: Payment) -> tuple[WebhookEvent.Verdict, str]:
    """Do with an automatic top-up what its payment asks for: one transaction, the caller's where there is one, its wallet locked first.

    Raises RefusedError when they don't fit.
    """
    top_up = TopUp.objects.lock(top_up.pk)
    if top_up.kind != TopUp.Kind.AUTO:
        return Verdict.IGNORED, "its checkout tells of it"
    _compare(top_up, payment)
    if not top_up.payment_id:
        TopUp.objects.filter(pk=top_up.pk, payment_id="").update(payment_id=payment.id)
    if payment.status == "succeeded":
        ended = f"after it had {top_up.status}" if top_up.status == TopUp.Status.FAILED else ""
        return verdict_of(topups.credit(top_up, payment_id=payment.id), Verdict.CREDITED, ended)
    if payment.status == "processing":
        return verdict_of(topups.submit(top_up, payment_id=payment.id), Verdict.SUBMITTED)
    if payment.status in _ENDED:
        return verdict_of(topups.fail(top_up, reason=payment.failure or payment.status), Verdict.FAILED)
    raise RefusedError(f"its payment is {payment.status[:40] or 'nothing'}")


def _compare(top_up: TopUp, payment: Payment) -> None:
    if not 0 < len(payment.id) <= 255:
        raise RefusedError("it has no id that we could keep")
    if payment.top_up != top_up.pk:
        raise RefusedError("it names another top-up")
    compare_account(top_up.wallet.account_id, payment.account)
    if payment.customer_id != top_up.customer_id:
        raise RefusedError("it is another customer's")
    compare_money(top_up, payment.amount, payment.currency)
    if payment.status == "succeeded":
        compare_money(top_up, payment.received, payment.currency)
    compare_payment(top_up, payment.id)
