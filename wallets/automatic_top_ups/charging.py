"""Charging a saved card when its wallet runs low: one top-up for one dip, whoever looks and however often.

A wallet is low when its *balance* is below the threshold: what calls in flight hold comes back in part, and calls that holds alone
keep out are told to try again soon; it is a balance that keeps calls out for good. Under the wallet's lock a pending top-up is
committed, of which a wallet can have one (`top_up_one_auto_pending`); then the provider is asked, outside of any transaction, under
an idempotency key made from the top-up's id. When nobody knows what became of that, the top-up stays pending, and keeps the next one
from being begun, until the provider has said (`ask`).
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from celery import shared_task
from django.db import OperationalError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from accounts.models import Account
from contract.ids import new_id
from wallets import rates
from wallets.automatic_top_ups import card_payments, settling, terms
from wallets.models import AutoTopUp, TopUp, Wallet, WebhookEvent
from wallets.top_ups import mails, payments, problems, topups
from wallets.top_ups.comparing import RefusedError, compare_payment

logger = logging.getLogger(__name__)

REPEATABLE: Final = timedelta(hours=23)
"""Stripe remembers an idempotency key for a day at least; after that the same question would be a second payment."""
# Wallets of one round; the rest waits for the next
MOST: Final = 500


@shared_task(name="wallets.auto_top_up", ignore_result=True)
def auto_top_up() -> None:
    """Run by beat every 30 seconds: a job for each wallet that is low."""
    end_those_of_inactive_accounts()
    for auto_id in due().values_list("pk", flat=True)[:MOST]:
        top_up_one.apply_async((auto_id,), expires=30)


@shared_task(name="wallets.auto_top_up_one", ignore_result=True)
def top_up_one(auto_id: int) -> None:
    """Top one wallet up, if it is still low. A wallet that is locked waits for the next beat, or for reconciling."""
    try:
        top_up_if_low(auto_id)
    except OperationalError:
        logger.warning("an automatic top-up waits for its wallet", extra={"auto_top_up": auto_id})


def due() -> QuerySet[AutoTopUp]:
    """Whose wallets are low and whose time has come, longest waiting first."""
    provider = payments.configured()
    pending = TopUp.objects.filter(wallet_id=OuterRef("wallet_id"), kind=TopUp.Kind.AUTO, status=TopUp.Status.PENDING)
    return AutoTopUp.objects.filter(
        ~Exists(pending),
        is_on=True,
        next_try_at__lte=timezone.now(),
        wallet__balance__lt=F("threshold_credits"),
        wallet__account__status=Account.Status.ACTIVE,
        provider=provider.name if provider else "",
    ).order_by("next_try_at")


def end_those_of_inactive_accounts() -> None:
    """A suspended or closed account's card is charged no more, also when it is opened again, until its customer says so."""
    inactive = AutoTopUp.objects.filter(is_on=True).exclude(wallet__account__status=Account.Status.ACTIVE)
    for auto in inactive.select_related("wallet")[:MOST]:
        try:
            terms.switch_off(auto.wallet, reason=AutoTopUp.OffReason.SUSPENDED, actor=None)
        except OperationalError:
            logger.warning("a wallet is locked: its automatic top-up is switched off later", extra={"wallet": auto.wallet_id})


def top_up_if_low(auto_id: int) -> TopUp | None:
    """Begin and charge the top-up that a wallet needs now; None when it needs none. Not to be called inside a transaction."""
    top_up = begin(auto_id)
    if top_up is not None:
        charge(top_up)
    return top_up


@transaction.atomic(durable=True)
def begin(auto_id: int) -> TopUp | None:
    """Commit the pending top-up that a wallet needs, having looked at everything again under the wallet's lock."""
    found = AutoTopUp.objects.filter(pk=auto_id).values_list("wallet_id", flat=True).first()
    if found is None:
        return None
    wallet = Wallet.objects.lock(found)
    auto = due().filter(pk=auto_id).first()
    rate = rates.in_force(wallet)
    if auto is None or rate is None:
        return None
    now = timezone.now()
    if (until := terms.barred_until(wallet, now=now)) is not None:
        auto.next_try_at = until
        auto.save(update_fields=["next_try_at"])
        logger.warning("too many automatic payments of a wallet have failed", extra={"wallet": wallet.pk})
        return None
    if terms.charged_usd(wallet, now=now) + auto.amount_usd > auto.monthly_ceiling_usd:
        auto.next_try_at = terms.month_after(now)
        auto.save(update_fields=["next_try_at"])
        mails.auto_ceiling(auto, month=f"{now:%Y-%m}")
        return None
    return TopUp.objects.create(
        wallet=wallet,
        provider=auto.provider,
        kind=TopUp.Kind.AUTO,
        amount_usd=auto.amount_usd,
        credits=topups.credits_for(auto.amount_usd, rate=rate),
        credits_per_usd_rate=rate,
        submission=new_id("auto"),
        customer_id=auto.customer_id,
        payment_method_id=auto.payment_method_id,
        card=auto.card_name,
        created_at=now,
        expires_at=now + REPEATABLE,
    )


def charge(top_up: TopUp) -> WebhookEvent.Verdict | None:
    """Charge the card of a pending top-up, once however often it is called, and do what the answer says. None when nobody knows."""
    provider = payments.by_name(top_up.provider)
    if provider is None:
        return None
    try:
        payment = card_payments.charge(provider, top_up)
    except payments.RefusedQuestionError as refused:
        return _ended(top_up, _declined(top_up, refused))
    except payments.ProviderError:
        return None
    return _ended(top_up, _settle(top_up, payment))


def ask(top_up: TopUp) -> WebhookEvent.Verdict | None:
    """Find out what became of a pending automatic top-up, and settle it. Not to be called inside a transaction. None: still unknown.

    If there is no payment, and it is still wanted, the charge is repeated under its key; otherwise it expires.
    """
    provider = payments.by_name(top_up.provider)
    if provider is None:
        return None
    try:
        if top_up.payment_id:
            payment: card_payments.Payment | None = card_payments.look_up(provider, top_up.payment_id)
        else:
            payment = card_payments.find(provider, top_up)
    except payments.UnknownSessionError:
        logger.error("a payment is unknown to its provider", extra={"top_up": top_up.pk})
        return _failed(top_up, "the provider knows no such payment")
    except payments.RefusedQuestionError as refused:
        return problems.note(top_up, f"the provider refused the question: {refused}")
    except payments.ProviderError:
        return None
    if payment is not None:
        return _ended(top_up, _settle(top_up, payment))
    if _is_wanted(top_up):
        return charge(top_up)
    topups.expire(top_up)
    return WebhookEvent.Verdict.EXPIRED


def call_back(top_up: TopUp) -> WebhookEvent.Verdict | None:
    """See to it that the payment of an automatic top-up that has failed is made no more: a bank that had wanted to see the customer
    could let it through later, past the ceiling. Not to be called inside a transaction.

    Does what can be done: None when the provider did not answer, or there is no payment. What was paid meanwhile is credited.
    """
    provider = payments.by_name(top_up.provider)
    payment_id = TopUp.objects.values_list("payment_id", flat=True).get(pk=top_up.pk)
    if provider is None or not payment_id:
        return None
    try:
        try:
            payment = card_payments.cancel(provider, payment_id)
        except payments.RefusedQuestionError:
            # It was paid, or had been called back
            payment = card_payments.look_up(provider, payment_id)
    except payments.ProviderError as error:
        logger.warning("a failed payment was not called back", extra={"top_up": top_up.pk, "error": type(error).__name__})
        return None
    return _settle(top_up, payment)


def _ended(top_up: TopUp, verdict: WebhookEvent.Verdict) -> WebhookEvent.Verdict:
    """The verdict on a payment that was asked about; one that failed is called back."""
    if verdict == WebhookEvent.Verdict.FAILED and call_back(top_up) == WebhookEvent.Verdict.CREDITED:
        return WebhookEvent.Verdict.CREDITED
    return verdict


def _is_wanted(top_up: TopUp) -> bool:
    """Whether the wallet is still low and its customer still allows that card, and the provider still knows our key."""
    if timezone.now() >= top_up.expires_at:
        return False
    return AutoTopUp.objects.filter(
        wallet_id=top_up.wallet_id,
        is_on=True,
        payment_method_id=top_up.payment_method_id,
        wallet__balance__lt=F("threshold_credits"),
        wallet__account__status=Account.Status.ACTIVE,
    ).exists()


def _settle(top_up: TopUp, payment: card_payments.Payment) -> WebhookEvent.Verdict:
    try:
        verdict, _ = settling.settle(top_up, payment)
    except RefusedError as refused:
        return problems.note(top_up, str(refused))
    return verdict


def _declined(top_up: TopUp, refused: payments.RefusedQuestionError) -> WebhookEvent.Verdict:
    payment_id = refused.payment_id if isinstance(refused, payments.DeclinedError) else ""
    try:
        with transaction.atomic():
            top_up = TopUp.objects.lock(top_up.pk)
            compare_payment(top_up, payment_id)
            TopUp.objects.filter(pk=top_up.pk, payment_id="").update(payment_id=payment_id)
            return _failed(top_up, str(refused))
    except RefusedError as error:
        return problems.note(top_up, str(error))


def _failed(top_up: TopUp, reason: str) -> WebhookEvent.Verdict:
    changed = topups.fail(top_up, reason=reason)
    return WebhookEvent.Verdict.FAILED if changed else WebhookEvent.Verdict.DUPLICATE
