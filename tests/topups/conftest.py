"""Top-ups at Stripe: the sandbox's checkout stands in for its API, and the tests sign its webhooks themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.factories import WalletFactory
from tests.topups.line import Line
from tests.topups.told import Stripe
from wallets.models import Wallet


@pytest.fixture
def stripe(settings, sandbox: str) -> Stripe:
    """Stripe is the provider, as far as pytest's own process is concerned."""
    settings.STRIPE_SECRET_KEY = settings.SANDBOX_CHECKOUT_KEY
    settings.STRIPE_WEBHOOK_SECRET = "whsec_tests"
    settings.STRIPE_API_BASE = f"{sandbox}/checkout"
    return Stripe("stripe", settings.STRIPE_WEBHOOK_SECRET)


@pytest.fixture
def wallet(db) -> Wallet:
    return WalletFactory()


@pytest.fixture
def line(stripe, settings, sandbox: str) -> Iterator[Line]:
    """The line to Stripe."""
    line = Line(sandbox)
    settings.STRIPE_API_BASE = f"{line.url}/checkout"
    yield line
    line.close()
