"""What a checkout, as the provider tells of it, does with its top-up: by webhook, or when asked."""

from __future__ import annotations

from django.db import transaction

from wallets.models import TopUp, WebhookEvent
from wallets.top_ups import topups
from wallets.top_ups.comparing import RefusedError, compare_account, compare_money, compare_payment, verdict_of
from wallets.top_ups.payments import Session

Verdict = WebhookEvent.Verdict


@transaction.atomic
def settle(top_up: TopUp, session: Session, *, failed: bool = False) -> tuple[WebhookEvent.Verdict, str]:
    """Do with a top-up what its checkout asks for: one transaction, the caller's where there is one, its wallet locked first.

    `failed`: a payment that was on its way was lost. Raises RefusedError when they don't fit.
    """
    top_up = TopUp.objects.lock(top_up.pk)
    _compare(top_up, session)
    ended = top_up.status if top_up.status in (TopUp.Status.FAILED, TopUp.Status.EXPIRED) else ""
    known = {"payment_id": session.payment_id, "session_id": session.id}
    if failed:
        return verdict_of(topups.fail(top_up, reason="the payment did not arrive"), Verdict.FAILED)
    if session.status == "expired":
        return verdict_of(topups.expire(top_up), Verdict.EXPIRED)
    if session.status != "complete":
        return Verdict.IGNORED, "still open"
    if session.payment_status == "paid":
        return verdict_of(topups.credit(top_up, **known), Verdict.CREDITED, f"after it had {ended}" if ended else "")
    return verdict_of(topups.submit(top_up, **known), Verdict.SUBMITTED)


def _compare(top_up: TopUp, session: Session) -> None:
    if top_up.kind != TopUp.Kind.CHECKOUT:
        raise RefusedError("it is of a checkout, which an automatic top-up has none of")
    if top_up.session_id and session.id != top_up.session_id:
        raise RefusedError("it is of another checkout")
    if session.top_up != top_up.pk:
        raise RefusedError("it names another top-up")
    compare_account(top_up.wallet.account_id, session.account)
    compare_money(top_up, session.amount, session.currency)
    compare_payment(top_up, session.payment_id)
    if TopUp.objects.exclude(pk=top_up.pk).filter(provider=top_up.provider, session_id=session.id).exists():
        raise RefusedError("its checkout is another top-up's")
