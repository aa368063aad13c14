"""A customer cancels a checkout that is not paid: it ends by the provider's word alone."""

from __future__ import annotations

import httpx
import pytest

from tests.browsing import signed_in, text
from tests.factories import WalletFactory
from wallets.models import TopUp
from wallets.top_ups import topups

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def top_up(line) -> TopUp:
    wallet = WalletFactory()
    wallet.account.user.emailaddress_set.update_or_create(email=wallet.account.user.email, defaults={"verified": True, "primary": True})
    return topups.start(wallet, amount_usd=topups.presets()[0], actor=wallet.account.user, submission="form")


def cancel(top_up: TopUp) -> str:
    response = signed_in(top_up.wallet.account.user).post(f"/wallet/top-ups/{top_up.pk}/cancel", follow=True)
    assert response.status_code == 200
    top_up.refresh_from_db()
    return text(response)


def test_it_ends_at_the_provider_too(top_up):
    assert "The checkout is cancelled. Nothing was charged." in cancel(top_up)
    assert top_up.status == "expired"
    httpx.post(top_up.checkout_url, data={"number": "4242424242424242"}, timeout=60)
    assert "It can't be cancelled any more." not in cancel(top_up)
    assert (top_up.status, top_up.wallet.balance) == ("expired", 0)


def test_what_was_paid_meanwhile_is_credited(top_up):
    httpx.post(top_up.checkout_url, data={"number": "4242424242424242"}, timeout=60)
    assert "It was paid before it could be cancelled" in cancel(top_up)
    assert top_up.status == "paid"


def test_where_the_provider_is_away_it_stays_open_and_that_is_said(top_up, line):
    line.is_cut = True
    assert "the checkout is still open" in cancel(top_up)
    assert top_up.status == "pending"


def test_nobody_cancels_anothers(top_up):
    stranger = signed_in(WalletFactory().account.user)
    assert stranger.post(f"/wallet/top-ups/{top_up.pk}/cancel").status_code == 404
    top_up.refresh_from_db()
    assert top_up.status == "pending"
