"""The payment provider: Stripe by its SDK. The sandbox's checkout speaks the same language, so that the demo goes Stripe's way.

Nothing here touches the database, and nothing here is called inside a transaction but `read_event`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.urls import reverse

from wallets.models import Provider, TopUp

if TYPE_CHECKING:
    import stripe

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 10
RETRIES: Final = 2
TOLERANCE_SECONDS: Final = 300
"""How old a webhook's signature may be."""


class ProviderError(Exception):
    """The provider was not reached or did not do what it was asked. The text names the kind of error alone, for staff."""


class RefusedQuestionError(ProviderError):
    """The provider understood what it was asked, and did nothing."""


class UnknownSessionError(RefusedQuestionError):
    """The provider knows no such checkout, or whatever else was asked about."""


class DeclinedError(RefusedQuestionError):
    """The customer's bank did not let a card be charged. `payment_id` names the payment that was tried, if the provider did."""

    def __init__(self, reason: str, *, payment_id: str) -> None:
        super().__init__(reason)
        self.payment_id = payment_id


class NoEventError(Exception):
    """What the provider signed is no event."""


class ForgedError(Exception):
    """A webhook that the provider did not sign, or signed too long ago."""


@dataclass(frozen=True, slots=True)
class Configured:
    """A provider as the settings have it. Never logged: two of these are secrets."""

    name: str
    api_base: str
    secret_key: str
    webhook_secret: str

    def __repr__(self) -> str:
        return f"Configured({self.name!r})"


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkout that the provider made: its id, and where the customer pays."""

    id: str
    url: str


def configured() -> Configured | None:
    """The provider that new top-ups are paid at: Stripe where it has a key, else the sandbox where that is on, else none."""
    return by_name(Provider.STRIPE) or by_name(Provider.SANDBOX)


def by_name(name: str) -> Configured | None:
    """The provider of that name, whose webhooks are taken and whose checkouts can be asked about; None where it has no key."""
    if name == Provider.STRIPE and settings.STRIPE_SECRET_KEY:
        return Configured(name, settings.STRIPE_API_BASE, settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET)
    if name == Provider.SANDBOX and settings.SANDBOX and settings.SANDBOX_URL and settings.SANDBOX_CHECKOUT_KEY:
        return Configured(name, f"{settings.SANDBOX_URL}/checkout", settings.SANDBOX_CHECKOUT_KEY, settings.SANDBOX_WEBHOOK_SECRET)
    return None


def return_url(top_up: TopUp) -> str:
    """The page where the customer comes back to with `?cancelled=1` when he gave up."""
    return f"{settings.SITE_URL}{reverse('wallets:topup_return', args=[top_up.pk])}"


def cents(amount_usd: Decimal) -> int:
    """USD as Stripe counts them."""
    return int(amount_usd * 100)


def open_checkout(provider: Configured, top_up: TopUp) -> Opened:
    """Make the checkout of a pending top-up; asked again for the same one, the provider answers with the one it made.

    Raises ProviderError, after RETRIES retries of TIMEOUT_SECONDS each at most.
    """
    back = return_url(top_up)
    named = {"top_up": top_up.pk, "account": str(top_up.wallet.account_id)}
    session = ask(
        lambda client: client.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "line_items": [
                    {
                        "quantity": 1,
                        "price_data": {
                            "currency": top_up.currency,
                            "unit_amount": cents(top_up.amount_usd),
                            "product_data": {"name": f"beatra credits: {top_up.credits:,f}"},
                        },
                    }
                ],
                "client_reference_id": top_up.pk,
                "metadata": named,
                "payment_intent_data": {"metadata": named},
                "customer_email": top_up.wallet.account.user.email,
                "expires_at": int(top_up.expires_at.timestamp()),
                # Paid, refunded and disputed in USD: in other money nothing could be compared
                "adaptive_pricing": {"enabled": False},
                "success_url": back,
                "cancel_url": f"{back}?cancelled=1",
            },
            {"idempotency_key": f"checkout:{top_up.pk}"},
        ),
        provider,
    )
    opened = Opened(text(session.get("id")), text(session.get("url")))
    if not opened.id or not opened.url:
        raise ProviderError("no checkout in the answer")
    return opened


@dataclass(frozen=True, slots=True)
class Session:
    """A checkout as the provider tells of it, in a webhook or when asked: `amount` in cents, `account` and `top_up` as we named them."""

    id: str
    status: str  # open, complete, expired
    payment_status: str  # paid, unpaid, no_payment_required
    amount: int | None
    currency: str
    payment_id: str
    top_up: str
    account: str


def read_session(found: Mapping[str, Any]) -> Session:
    """The session in a Checkout Session's JSON."""
    metadata = found.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    return Session(
        id=text(found.get("id")),
        status=text(found.get("status")),
        payment_status=text(found.get("payment_status")),
        amount=found.get("amount_total"),
        currency=text(found.get("currency")),
        payment_id=text(found.get("payment_intent")),
        top_up=text(found.get("client_reference_id")) or text(named.get("top_up")),
        account=text(named.get("account")),
    )


def look_up(provider: Configured, session_id: str) -> Session:
    """Ask how a checkout stands. Raises UnknownSessionError when the provider has none such, ProviderError when it does not answer."""
    return read_session(ask(lambda client: client.v1.checkout.sessions.retrieve(session_id), provider))


def expire_checkout(provider: Configured, session_id: str) -> Session:
    """Close a checkout, so that nobody can pay there any more. Raises RefusedQuestionError when it is not open, ProviderError."""
    return read_session(ask(lambda client: client.v1.checkout.sessions.expire(session_id), provider))


def top_up_of(provider: Configured, payment_id: str) -> str:
    """The id of the top-up that a payment is for, as we named it at the checkout; empty for one that is not ours.

    Raises ProviderError when the provider does not answer.
    """
    try:
        found = ask(lambda client: client.v1.payment_intents.retrieve(payment_id), provider)
    except UnknownSessionError:
        return ""
    return text((found.get("metadata") or {}).get("top_up"))


def read_event(provider: Configured, body: bytes, *, signature: str) -> Any:
    """The event in a webhook, as plain JSON. Raises ForgedError unless the provider signed it within TOLERANCE_SECONDS,
    NoEventError for what is none."""
    import stripe

    if not signature.isascii():  # the SDK can't compare it
        raise ForgedError
    try:
        stripe.WebhookSignature.verify_header(body, signature, provider.webhook_secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        # Without its cause: the SDK's error carries the body and the signature
        raise ForgedError from None
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise NoEventError from None
    data = event.get("data") if isinstance(event, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("object"), dict):
        raise NoEventError
    return event


def text(value: Any) -> str:
    """A text or the id of an object that the provider put there in full; empty for none, and for what no column could hold."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and "\0" not in value else ""


def ask(question: Callable[[stripe.StripeClient], stripe.StripeObject], provider: Configured) -> dict[str, Any]:
    """The provider's answer to a question of its SDK. Raises ProviderError; only RefusedQuestionError says that nothing was done."""
    import stripe

    try:
        return question(_client(provider)).to_dict()
    except stripe.CardError as error:
        body = error.json_body
        told = body.get("error") if isinstance(body, dict) else None
        told = told if isinstance(told, dict) else {}
        reason = text(told.get("decline_code")) or error.code or "declined"
        raise DeclinedError(reason, payment_id=text(told.get("payment_intent"))) from None
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise UnknownSessionError(error.code) from None
        logger.error("the payment provider refused a question", extra={"error": error.code or type(error).__name__})
        raise RefusedQuestionError(error.code or type(error).__name__) from None
    except stripe.StripeError as error:
        # By its name only: its text quotes what was sent, a rejected key too
        logger.warning("the payment provider did not answer", extra={"error": type(error).__name__})
        raise ProviderError(type(error).__name__) from None


@lru_cache(maxsize=4)
def _client(provider: Configured) -> stripe.StripeClient:
    import stripe

    return stripe.StripeClient(
        provider.secret_key,
        base_addresses={"api": provider.api_base},
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )
