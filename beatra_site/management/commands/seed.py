"""`manage.py seed`: the data beatra starts with. Safe to repeat: what staff changed stays."""

from __future__ import annotations

import json
import secrets
from decimal import Decimal
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from accounts.models import Account, User
from catalog.seed import seed as seed_catalog
from keys import issuing
from keys.models import ApiKey
from wallets import ledger
from wallets.models import CreditsPerUsdRate, Wallet

DEMO_EMAIL = "demo@beatra.example"
DEMO_STAFF_EMAIL = "staff@beatra.example"
DEMO_KEY = "demo"
DEMO_CREDITS = Decimal("10000.0000")
CREDITS_PER_USD = Decimal(1000)


class Command(BaseCommand):
    help = "Seed models, routes, prices and the credits-per-USD rate; with --demo also an account to try them with."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="make the demo account and print its credentials as JSON")

    def handle(self, *, demo: bool, **options: Any) -> None:
        with transaction.atomic():
            seed_catalog()
            if not CreditsPerUsdRate.objects.filter(wallet=None).exists():
                CreditsPerUsdRate.objects.create(wallet=None, value=CREDITS_PER_USD, reason="seed")
            credentials = _demo() if demo else None
        if credentials:
            self.stdout.write(json.dumps(credentials))


def _demo() -> dict[str, str]:
    """Demo users that can sign in with the passwords returned; a demo that was lost is made usable again."""
    password, staff_password = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
    user = _user(DEMO_EMAIL, password)
    _user(DEMO_STAFF_EMAIL, staff_password, is_staff=True, is_superuser=True)
    account, _ = Account.objects.get_or_create(user=user)
    wallet, _ = Wallet.objects.get_or_create(account=account)
    ledger.credit(wallet, kind="grant", amount=DEMO_CREDITS, reference=f"grant:demo:{wallet.pk}", reason="credits of the demo")
    for lost in ApiKey.objects.of_account(account).active().filter(name=DEMO_KEY):
        issuing.revoke(lost, actor=None)
    return {
        "base_url": f"{settings.SITE_URL}/v1",
        "api_key": issuing.issue(account, name=DEMO_KEY, actor=None).token,
        "email": DEMO_EMAIL,
        "password": password,
        "staff_email": DEMO_STAFF_EMAIL,
        "staff_password": staff_password,
    }


def _user(email: str, password: str, **flags: bool) -> User:
    user, _ = User.objects.get_or_create(email=email, defaults=flags)
    user.set_password(password)
    user.save(update_fields=["password"])
    EmailAddress.objects.get_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    return user
