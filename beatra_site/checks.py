"""System checks of what must be right before anybody's money is touched. `manage.py check --deploy` runs them all."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from wallets.top_ups import topups


@register()
def secrets_are_set(**kwargs: Any) -> list[CheckMessage]:
    """beatra.E001, E002: without these two nobody can sign in and no key can be told from another."""
    return [
        Error(f"{name} is not set.", hint="Set it in the environment, to 50 random characters; `make run` makes its own.", id=id)
        for name, id in (("SECRET_KEY", "beatra.E001"), ("KEY_PEPPER", "beatra.E002"))
        if not _set(name)
    ]


def _set(name: str) -> bool:
    try:
        return bool(getattr(settings, name))
    except ImproperlyConfigured:  # Django's own word for an empty SECRET_KEY
        return False


@register()
def servers_are_given(**kwargs: Any) -> list[CheckMessage]:
    """beatra.E003, E004: where no embedded server runs, the environment names the real ones."""
    return [
        Error(f"{name} is not set.", hint="`make run` starts servers of its own and remembers them in $VAR/servers.env.", id=id)
        for name, id in (("DATABASE_URL", "beatra.E003"), ("REDIS_URL", "beatra.E004"))
        if not getattr(settings, name)
    ]


@register()
def sandbox_has_a_place(**kwargs: Any) -> list[CheckMessage]:
    """beatra.E005: sandbox routes need the sandbox's address."""
    if settings.SANDBOX and not settings.SANDBOX_URL:
        return [Error("SANDBOX is on but SANDBOX_URL is not set.", id="beatra.E005")]
    return []


@register(deploy=True)
def sandbox_is_off(**kwargs: Any) -> list[CheckMessage]:
    """beatra.W001: the sandbox sells answers of no provider."""
    if settings.SANDBOX:
        return [Warning("SANDBOX is on: answers come from no real provider, and the demo's inbox is open.", id="beatra.W001")]
    return []


@register(deploy=True)
def site_is_https(**kwargs: Any) -> list[CheckMessage]:
    """beatra.W002: keys and passwords travel in the clear otherwise."""
    if not settings.SITE_URL.startswith("https://"):
        return [Warning("SITE_URL is not https.", id="beatra.W002")]
    return []


@register(deploy=True)
def host_is_named(**kwargs: Any) -> list[CheckMessage]:
    """beatra.W003: a wildcard host lets a stranger choose the links in our mails."""
    if "*" in settings.ALLOWED_HOSTS:
        return [Warning("ALLOWED_HOSTS has a wildcard.", id="beatra.W003")]
    return []


@register()
def stripe_is_whole(**kwargs: Any) -> list[CheckMessage]:
    """beatra.E006: without the webhook's secret, customers would pay and get nothing."""
    if settings.STRIPE_SECRET_KEY and not settings.STRIPE_WEBHOOK_SECRET:
        return [Error("STRIPE_SECRET_KEY is set but STRIPE_WEBHOOK_SECRET is not.", id="beatra.E006")]
    return []


@register()
def sandbox_checkout_is_whole(**kwargs: Any) -> list[CheckMessage]:
    """beatra.E007: the same of the sandbox's checkout."""
    if settings.SANDBOX_CHECKOUT_KEY and not settings.SANDBOX_WEBHOOK_SECRET:
        return [Error("SANDBOX_CHECKOUT_KEY is set but SANDBOX_WEBHOOK_SECRET is not.", id="beatra.E007")]
    return []


@register()
def checkouts_wait_as_long_as_they_may(**kwargs: Any) -> list[CheckMessage]:
    """beatra.E008: Stripe would refuse every checkout."""
    if not 1800 <= settings.TOPUP_CHECKOUT_SECONDS <= 86400:
        return [Error("TOPUP_CHECKOUT_SECONDS is not from 1800 to 86400.", id="beatra.E008")]
    return []


@register()
def presets_can_be_bought(**kwargs: Any) -> list[CheckMessage]:
    """beatra.E009: an amount that is offered and then refused."""
    refused = [amount for amount in settings.TOPUP_AMOUNTS_USD if not topups.is_offered(amount)]
    if refused:
        amounts = ", ".join(str(amount) for amount in refused)
        hint = "Whole cents from TOPUP_MIN_USD to TOPUP_MAX_USD."
        return [Error(f"TOPUP_AMOUNTS_USD has amounts that nobody can buy: {amounts}.", hint=hint, id="beatra.E009")]
    return []


@register(deploy=True)
def credits_can_be_bought(**kwargs: Any) -> list[CheckMessage]:
    """beatra.W004: nobody can top up."""
    if not settings.STRIPE_SECRET_KEY and not settings.SANDBOX:
        return [Warning("STRIPE_SECRET_KEY is not set: top-ups are refused.", hint="See README, Top-ups by Stripe.", id="beatra.W004")]
    return []
