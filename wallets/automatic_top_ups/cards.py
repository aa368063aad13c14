"""The saved card of an automatic top-up: entered at the provider, replaced, removed. No number of it ever comes here.

`enter` commits our name for it (`setup_id`), then makes the provider's page; what the provider then says, by webhook or when it is
asked (`ask`), comes to `settle`, which compares it as strictly as a payment. A card that was replaced or removed is forgotten at the
provider too, by beat (wallets/automatic_top_ups/old_cards.py).
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts import events
from accounts.models import Account, User
from contract.ids import new_id
from wallets.automatic_top_ups import card_payments, outcomes, terms
from wallets.models import AutoTopUp, Provider, Wallet, WebhookEvent
from wallets.top_ups import payments, topups
from wallets.top_ups.comparing import RefusedError, compare_account

logger = logging.getLogger(__name__)

Verdict = WebhookEvent.Verdict

# Questions of one round; the rest waits for the next
MOST = 50
_CARD = ["payment_method_id", "card_brand", "card_last4", "card_expires", "has_old_cards"]
_SETUP = ["setup_id", "setup_session_id", "setup_url", "setup_expires_at", "setup_asked_at", "problem"]


def enter(wallet: Wallet) -> str:
    """The address where the customer enters a card; the same one as long as it is open. Not to be called inside a transaction.

    Raises topups.TopUpError, whose text is for the customer.
    """
    provider = payments.configured()
    if provider is None:
        raise topups.NotSetUpError
    if ask_of(wallet) is None:
        raise topups.ProviderAwayError
    try:
        try:
            return _opened(provider, _begun(wallet, provider=provider.name))
        except payments.UnknownSessionError:
            # The provider has forgotten the customer, and the cards with him
            _forget_customer(wallet)
            return _opened(provider, _begun(wallet, provider=provider.name))
    except payments.ProviderError as error:
        raise topups.ProviderAwayError from error


def _opened(provider: payments.Configured, auto: AutoTopUp) -> str:
    if auto.setup_url:
        return auto.setup_url
    if not auto.customer_id:
        customer_id = card_payments.make_customer(provider, auto)
        AutoTopUp.objects.filter(pk=auto.pk, provider=provider.name, customer_id="").update(customer_id=customer_id)
        auto.refresh_from_db(fields=["customer_id"])
    opened = card_payments.open_setup(provider, auto, customer_id=auto.customer_id)
    AutoTopUp.objects.filter(pk=auto.pk, setup_id=auto.setup_id).update(setup_session_id=opened.id, setup_url=opened.url)
    return opened.url


@transaction.atomic(durable=True)
def _begun(wallet: Wallet, *, provider: str) -> AutoTopUp:
    auto = terms.locked(wallet)
    account = Account.objects.get(pk=auto.wallet.account_id)
    if account.status != Account.Status.ACTIVE:
        raise topups.AccountRefusedError(f"This account is {account.status}: no card can be saved.")
    if auto.provider != provider:
        # What another provider knows is of no use here
        _lose_customer(auto)
        auto.provider = provider
    now = timezone.now()
    if not auto.setup_id or auto.setup_expires_at is None or auto.setup_expires_at <= now:
        _clear_setup(auto)
        auto.setup_id = new_id("card")
        auto.setup_expires_at = now + timedelta(seconds=settings.TOPUP_CHECKOUT_SECONDS)
        auto.setup_asked_at = now
    auto.save(update_fields=["provider", "customer_id", *_CARD, *_SETUP])
    return auto


@transaction.atomic(durable=True)
def _forget_customer(wallet: Wallet) -> None:
    auto = terms.locked(wallet)
    _lose_customer(auto)
    auto.save(update_fields=["customer_id", *_CARD, *_SETUP])


def _lose_customer(auto: AutoTopUp) -> None:
    outcomes.switch_off(auto, reason=AutoTopUp.OffReason.CARD_REMOVED)
    auto.customer_id = auto.payment_method_id = auto.card_brand = auto.card_last4 = auto.card_expires = ""
    auto.has_old_cards = False
    _clear_setup(auto)


def lock(setup: card_payments.Setup) -> None:
    """Lock the wallet whose card was entered, if it is one of ours, until the caller's transaction ends."""
    wallet_id = AutoTopUp.objects.filter(setup_id=setup.setup_id).exclude(setup_id="").values_list("wallet_id", flat=True).first()
    if wallet_id is not None:
        Wallet.objects.lock(wallet_id)


def is_asked_for(provider: str, setup: card_payments.Setup) -> bool:
    """Whether we had that provider make that page, and wait for its card."""
    return AutoTopUp.objects.filter(provider=provider, setup_id=setup.setup_id).exclude(setup_id="").exists()


@transaction.atomic
def settle(provider: str, setup: card_payments.Setup) -> tuple[WebhookEvent.Verdict, str]:
    """Save the card that was entered, in the caller's transaction if there is one. Raises RefusedError when it does not fit our row."""
    lock(setup)
    auto = AutoTopUp.objects.select_related("wallet__account__user").filter(setup_id=setup.setup_id).exclude(setup_id="").first()
    if auto is None:
        return Verdict.IGNORED, "no card that we wait for"
    _compare(auto, provider, setup)
    if setup.status == "expired":
        _clear_setup(auto)
        auto.save(update_fields=_SETUP)
        return Verdict.EXPIRED, "no card was entered"
    if setup.status != "complete":
        return Verdict.IGNORED, "still open"
    card = setup.card
    if card is None or not 0 < len(card.payment_method_id) <= 255:
        raise RefusedError("it is complete, but there is no card")
    if card.customer_id != auto.customer_id:
        raise RefusedError("its card is another customer's")
    if auto.payment_method_id not in ("", card.payment_method_id):
        # What was allowed is to charge the card of then
        outcomes.switch_off(auto, reason=AutoTopUp.OffReason.NEW_CARD, actor=auto.wallet.account.user)
    auto.has_old_cards = auto.has_old_cards or auto.payment_method_id not in ("", card.payment_method_id)
    auto.payment_method_id, auto.card_brand, auto.card_last4, auto.card_expires = (
        card.payment_method_id,
        card.brand,
        card.last4,
        card.expires,
    )
    auto.failures, auto.next_try_at = 0, timezone.now()
    _clear_setup(auto)
    auto.save(update_fields=[*_CARD, *_SETUP, "failures", "next_try_at"])
    account = auto.wallet.account
    events.record("auto_top_up.card_saved", account=account, actor=account.user, card=auto.card)
    return Verdict.CARD_SAVED, ""


def _compare(auto: AutoTopUp, provider: str, setup: card_payments.Setup) -> None:
    if auto.provider != provider:
        raise RefusedError(f"its provider is {auto.provider}")
    if setup.mode != "setup":
        raise RefusedError("it is no entering of a card")
    if auto.setup_session_id and setup.id != auto.setup_session_id:
        raise RefusedError("it is of another checkout")
    compare_account(auto.wallet.account_id, setup.account)
    if not setup.customer_id or setup.customer_id != auto.customer_id:
        raise RefusedError("it is another customer's")


@transaction.atomic(durable=True)
def remove(wallet: Wallet, *, actor: User) -> bool:
    """Forget the saved card, here at once and at the provider soon, and switch off. False when there was none."""
    auto = terms.locked(wallet)
    if not auto.has_card:
        return False
    outcomes.switch_off(auto, reason=AutoTopUp.OffReason.CARD_REMOVED, actor=actor)
    events.record("auto_top_up.card_removed", account=auto.wallet.account, actor=actor, card=auto.card)
    auto.payment_method_id = auto.card_brand = auto.card_last4 = auto.card_expires = ""
    auto.has_old_cards = True
    auto.save(update_fields=_CARD)
    return True


def ask_of(wallet: Wallet) -> WebhookEvent.Verdict | None:
    """Ask the provider about the card that is being entered for a wallet; IGNORED if none is, None when it did not answer."""
    auto = AutoTopUp.objects.filter(wallet=wallet).exclude(setup_session_id="").first()
    return ask(auto) if auto is not None else Verdict.IGNORED


def ask(auto: AutoTopUp) -> WebhookEvent.Verdict | None:
    """Ask the provider how the entering of a card stands, and do what it says. None when it did not answer; IGNORED when it is not
    configured any more, so that nobody can be asked; EXPIRED also when it knows no such page."""
    AutoTopUp.objects.filter(pk=auto.pk).update(setup_asked_at=timezone.now())
    provider = payments.by_name(auto.provider)
    if provider is None:
        return Verdict.IGNORED
    try:
        setup = card_payments.look_up_setup(provider, auto.setup_session_id)
    except payments.UnknownSessionError:
        AutoTopUp.objects.filter(pk=auto.pk, setup_id=auto.setup_id).update(setup_id="", setup_session_id="", setup_url="", problem="")
        return Verdict.EXPIRED
    except payments.RefusedQuestionError as refused:
        return _in_question(auto, f"the provider refused the question: {refused}")
    except payments.ProviderError:
        return None
    try:
        verdict, _ = settle(auto.provider, setup)
    except RefusedError as refused:
        return _in_question(auto, str(refused))
    return verdict


def _in_question(auto: AutoTopUp, reason: str) -> WebhookEvent.Verdict:
    """Remember for staff why the provider's word was refused, as wallets/top_ups/problems.py does; an error in the log the first time."""
    reason = reason[:200]
    if AutoTopUp.objects.filter(pk=auto.pk, setup_id=auto.setup_id).exclude(problem=reason).update(problem=reason):
        logger.error("a payment provider's word was refused", extra={"wallet": auto.wallet_id, "reason": reason})
    return Verdict.REFUSED


def reconcile() -> bool:
    """Ask about the cards whose entering the provider has said nothing about for a while, those that were not asked about for longest
    first. False when it is away."""
    before = timezone.now() - timedelta(seconds=settings.TOPUP_ASK_SECONDS)
    known = [name for name in Provider.values if payments.by_name(name) is not None]
    waiting = AutoTopUp.objects.filter(provider__in=known).exclude(setup_id="").exclude(setup_session_id="")
    due = waiting.filter(Q(setup_asked_at=None) | Q(setup_asked_at__lt=before))
    for auto in due.order_by(F("setup_asked_at").asc(nulls_first=True), "id")[:MOST]:
        try:
            if ask(auto) is None:
                return False
        except OperationalError:
            logger.warning("a wallet is locked: its card is saved later", extra={"wallet": auto.wallet_id})
    return True


def _clear_setup(auto: AutoTopUp) -> None:
    auto.setup_id = auto.setup_session_id = auto.setup_url = auto.problem = ""
    auto.setup_expires_at = auto.setup_asked_at = None
