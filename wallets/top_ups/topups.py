"""Top-ups: credits bought with money, from the form to the receipt.

`start` commits a pending top-up, then makes the provider's checkout; the customer pays there. What the provider then says, by
webhook (webhooks.py) or when it is asked (reconciling.py), comes here as one call each: `credit`, `submit`, `fail`,
`expire`; what it takes back is in take_backs.py. Each may be repeated and may come in any order: a top-up is credited once.
Each of these is one transaction, the caller's where there is one, with the wallet locked first, and returns whether anything changed.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import events
from accounts.models import Account, User
from accounts.verified import has_verified_address
from contract import limits
from wallets import ledger, rates
from wallets.automatic_top_ups import outcomes
from wallets.models import EntryKind, TopUp, Wallet
from wallets.money import as_text, credits, product
from wallets.top_ups import mails, payments, take_backs

logger = logging.getLogger(__name__)


class TopUpError(Exception):
    """A top-up that can't be had. The text is for the customer."""


class NotSetUpError(TopUpError):
    """No payment provider is configured here, or no credits-per-USD rate."""

    def __init__(self) -> None:
        super().__init__("Top-ups are not set up.")


class AmountError(TopUpError):
    """An amount outside TOPUP_MIN_USD to TOPUP_MAX_USD, or with a fraction of a cent."""

    def __init__(self) -> None:
        super().__init__(f"Choose an amount from ${settings.TOPUP_MIN_USD:.2f} to ${settings.TOPUP_MAX_USD:.2f}, in whole cents.")


class AccountRefusedError(TopUpError):
    """The account is suspended or closed, or its address was never confirmed."""


class TooManyPendingError(TopUpError):
    """OPEN_CHECKOUTS checkouts of the wallet are open."""

    def __init__(self) -> None:
        super().__init__("Too many checkouts are open. Pay one of them, or wait until they expire.")


class FormReusedError(TopUpError):
    """A form that was sent before came again with another amount."""

    def __init__(self) -> None:
        super().__init__("This form was sent before, with another amount. Nothing was done now; send it again if you want both.")


class ProviderAwayError(TopUpError):
    """The provider made no checkout; the top-up has failed, and nothing was paid."""

    def __init__(self) -> None:
        super().__init__("The payment provider can't be reached. Nothing was paid; try again in a few minutes.")


def is_set_up() -> bool:
    """Whether there is a payment provider to buy credits from."""
    return payments.configured() is not None


def presets() -> list[Decimal]:
    """The amounts in USD to choose from, smallest first (TOPUP_AMOUNTS_USD)."""
    return sorted(settings.TOPUP_AMOUNTS_USD)


def is_offered(amount_usd: Decimal) -> bool:
    """Whether so many USD are whole cents from TOPUP_MIN_USD to TOPUP_MAX_USD."""
    within = amount_usd.is_finite() and settings.TOPUP_MIN_USD <= amount_usd <= settings.TOPUP_MAX_USD
    return within and amount_usd == round(amount_usd, 2)


def credits_for(amount_usd: Decimal, *, rate: Decimal) -> Decimal:
    """The credits that `amount_usd` buys at `rate` credits per USD, four places. 25.00 USD at 1000 are 25000.0000."""
    return credits(product(amount_usd, credits_per_usd=rate))


def start(wallet: Wallet, *, amount_usd: Decimal, actor: User | None, submission: str) -> TopUp:
    """Begin to buy credits for `amount_usd` (USD, whole cents); the customer pays at the `checkout_url` of what is returned.

    `submission` names the form (any text of at most 80 characters that is new for the wallet): sent again it is the same top-up,
    whose `status` may have become another one meanwhile. Not to be called inside a transaction: the pending row is committed before
    the provider hears of it. `created_by` is `actor`, none for the system. Raises one of TopUpError, whose text is for the customer.
    """
    configured = payments.configured()
    if configured is None:
        raise NotSetUpError
    if not is_offered(amount_usd):
        raise AmountError
    top_up = _pending(wallet, provider=configured.name, amount_usd=amount_usd, actor=actor, submission=submission)
    if top_up.amount_usd != amount_usd:
        raise FormReusedError
    if top_up.status != TopUp.Status.PENDING or top_up.session_id:
        if top_up.status == TopUp.Status.FAILED and not top_up.session_id:
            raise ProviderAwayError
        return top_up
    provider = payments.by_name(top_up.provider)
    if provider is None:
        raise NotSetUpError
    try:
        session = payments.open_checkout(provider, top_up)
    except payments.ProviderError as error:
        # Another sending of the same form may have had more luck: only what has no checkout fails
        fail(top_up, reason=str(error), unless_opened=True)
        raise ProviderAwayError from error
    TopUp.objects.filter(pk=top_up.pk, session_id="").update(session_id=session.id, checkout_url=session.url)
    top_up.refresh_from_db()
    return top_up


@transaction.atomic(durable=True)
def _pending(wallet: Wallet, *, provider: str, amount_usd: Decimal, actor: User | None, submission: str) -> TopUp:
    """The committed pending top-up of a form, made now or by an earlier sending of it."""
    locked = Wallet.objects.lock(wallet.pk)
    if (earlier := locked.top_ups.filter(submission=submission).first()) is not None:
        return earlier
    account = Account.objects.get(pk=locked.account_id)
    if account.status != Account.Status.ACTIVE:
        raise AccountRefusedError(f"This account is {account.status}: it can't buy credits.")
    if not has_verified_address(account.user_id):
        raise AccountRefusedError("Confirm your email address first.")
    # Not those of another provider: nobody who is configured could end them
    unpaid = locked.top_ups.filter(status=TopUp.Status.PENDING, submitted_at__isnull=True, provider=provider)
    if unpaid.count() >= limits.OPEN_CHECKOUTS:
        raise TooManyPendingError
    rate = rates.in_force(locked)
    if rate is None:
        raise NotSetUpError
    now = timezone.now()
    return TopUp.objects.create(
        wallet=locked,
        provider=provider,
        amount_usd=amount_usd,
        credits=credits_for(amount_usd, rate=rate),
        credits_per_usd_rate=rate,
        submission=submission,
        created_by=actor,
        created_at=now,
        expires_at=now + timedelta(seconds=settings.TOPUP_CHECKOUT_SECONDS),
    )


@transaction.atomic
def credit(top_up: TopUp, *, payment_id: str = "", session_id: str = "") -> bool:
    """The money was taken: the credits come into the wallet, once, also when the top-up had failed or expired before.

    What the provider gave back before it told us of the payment is taken at once. False when it was credited before.
    """
    top_up = TopUp.objects.lock(top_up.pk)
    if top_up.status == TopUp.Status.PAID:
        return False
    if top_up.status != TopUp.Status.PENDING:
        logger.warning("a top-up was paid after its end", extra={"top_up": top_up.pk, "status": top_up.status})
    top_up.status, top_up.paid_at = TopUp.Status.PAID, timezone.now()
    top_up.payment_id = top_up.payment_id or payment_id
    top_up.session_id = top_up.session_id or session_id
    top_up.problem = ""
    top_up.save(update_fields=["status", "paid_at", "payment_id", "session_id", "problem"])
    ledger.credit(top_up.wallet_id, kind=EntryKind.TOPUP, amount=top_up.credits, reference=f"topup:{top_up.pk}", actor=top_up.created_by)
    events.record("topup.paid", account=top_up.wallet.account, actor=top_up.created_by, top_up=top_up.pk, credits=as_text(top_up.credits))
    outcomes.paid(top_up)
    take_backs.take_due(top_up)
    mails.paid(top_up)
    return True


@transaction.atomic
def submit(top_up: TopUp, *, payment_id: str = "", session_id: str = "") -> bool:
    """The customer is through with the checkout, but the money is still on its way. False when that was known."""
    top_up = TopUp.objects.lock(top_up.pk)
    if top_up.status != TopUp.Status.PENDING or top_up.submitted_at is not None:
        return False
    top_up.submitted_at = timezone.now()
    top_up.payment_id = top_up.payment_id or payment_id
    top_up.session_id = top_up.session_id or session_id
    top_up.save(update_fields=["submitted_at", "payment_id", "session_id"])
    return True


@transaction.atomic
def fail(top_up: TopUp, *, reason: str, unless_opened: bool = False) -> bool:
    """A pending top-up ends without a payment; `reason` is for staff. False when it had ended or was paid.

    With `unless_opened` one whose checkout was made stays as it is.
    """
    top_up = TopUp.objects.lock(top_up.pk)
    if unless_opened and top_up.session_id:
        return False
    return _end(top_up, TopUp.Status.FAILED, reason=reason)


@transaction.atomic
def expire(top_up: TopUp) -> bool:
    """The provider's checkout of a pending top-up ended unpaid, or an automatic one was not needed any more before its card was charged.

    False when it had ended or was paid.
    """
    return _end(TopUp.objects.lock(top_up.pk), TopUp.Status.EXPIRED)


def _end(top_up: TopUp, status: TopUp.Status, *, reason: str = "") -> bool:
    if top_up.status != TopUp.Status.PENDING:
        return False
    top_up.status, top_up.ended_at, top_up.failure, top_up.problem = status, timezone.now(), reason[:200], ""
    top_up.save(update_fields=["status", "ended_at", "failure", "problem"])
    if top_up.kind == TopUp.Kind.AUTO:
        if status == TopUp.Status.FAILED:
            outcomes.failed(top_up)
    elif top_up.submitted_at is not None:
        # Who never got through with the checkout knows that nothing was paid
        mails.failed(top_up)
    return True
