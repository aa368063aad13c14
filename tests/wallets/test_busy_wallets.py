"""A wallet that another transaction holds: pages say so, nothing is changed, and what waits behind no wallet waits no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import models

from accounts.models import Event
from keys import issuing, pausing
from tests.browsing import signed_in, text
from tests.factories import ApiKeyFactory, StaffFactory, WalletFactory
from tests.topups import saved_cards
from tests.topups.conftest import stripe  # noqa: F401  # a fixture
from wallets.models import AutoTopUp, TopUp, Voucher, Wallet, WalletBusyError
from wallets.vouchers import vouchers

pytestmark = pytest.mark.usefixtures("committed")

BUSY = "Your wallet is busy with something else. Nothing was saved; try again."
STAFF_BUSY = "Something else is at work on this wallet. Nothing was saved; try again."
SETTINGS = {"threshold_credits": "2000", "amount_usd": "25.00", "monthly_ceiling_usd": "75", "on": "1"}
LIMITS = {"requests_per_minute": "7", "max_in_flight": "7", "reason": "why"}


@pytest.fixture
def held(connect, monkeypatch) -> Callable[[models.Model], AbstractContextManager[None]]:
    """`with held(row):` another connection has that row locked; whoever waits for it does so for a moment only."""
    monkeypatch.setattr("wallets.models.wallet.LOCK_TIMEOUT", "50ms")

    @contextmanager
    def hold(row: models.Model) -> Iterator[None]:
        other = connect()
        with other.transaction():
            other.execute(f"select 1 from {row._meta.db_table} where id = %s for no key update", [row.pk])
            yield

    return hold


@pytest.fixture
def wallet() -> Wallet:
    return WalletFactory(balance=100)


@pytest.fixture
def with_card(wallet) -> AutoTopUp:
    """Automatic top-ups are on; the card stands in our books only."""
    return AutoTopUp.objects.create(
        wallet=wallet,
        is_on=True,
        threshold_credits=1000,
        amount_usd=Decimal(10),
        monthly_ceiling_usd=Decimal(100),
        provider="stripe",
        customer_id="cus_1",
        payment_method_id="pm_1",
        card_brand="visa",
        card_last4="4242",
        card_expires="12/2034",
    )


def rows(wallet: Wallet) -> list[Any]:
    """Everything that these pages could have changed."""
    kept = [Wallet, AutoTopUp, TopUp, Event]
    whose = [{"pk": wallet.pk}, {"wallet": wallet}, {"wallet": wallet}, {"account": wallet.account}]
    return [list(model.objects.filter(**one).order_by("pk").values()) for model, one in zip(kept, whose, strict=True)]


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("low-balance/", {"credits": "5"}),
        ("auto", SETTINGS),
        ("auto/off", {}),
        ("auto/card", {}),
        ("auto/card/remove", {}),
        ("voucher/", {"code": "ABCDE-ABCDE-ABCDE-ABCDE"}),
        ("add/", {"amount": "25.00", "submission": "0b7f4a1e-6d0c-4a6e-9c6b-2b1f6a3c9d11"}),
    ],
)
@pytest.mark.usefixtures("stripe")
def test_a_customer_is_told_to_try_again_and_nothing_is_saved(held, wallet, with_card, path: str, given: dict[str, str]):
    customer, before = signed_in(wallet.account.user), rows(wallet)
    with held(wallet):
        response = customer.post(f"/wallet/{path}", given)
    assert response.status_code == 503
    assert BUSY in text(response)
    assert rows(wallet) == before


def test_what_was_chosen_for_a_top_up_is_there_again(held, wallet, stripe):  # noqa: F811
    customer = signed_in(wallet.account.user)
    with held(wallet):
        response = customer.post("/wallet/add/", {"amount": "other", "other": "17", "submission": "5b0f2f0e-70b3-4c6c-8a20-6f6f4f1f9a10"})
    assert b'value="17"' in response.content
    assert b"5b0f2f0e-70b3-4c6c-8a20-6f6f4f1f9a10" in response.content


@pytest.mark.usefixtures("stripe")
def test_whoever_comes_back_from_the_card_page_is_told_to_wait(held, wallet):
    customer = signed_in(wallet.account.user)
    saved_cards.enter(wallet)
    with held(wallet):
        assert "Your card is being saved." in text(customer.get("/wallet/auto?saved=1", follow=True))
    assert "Your card is saved: Visa ending in 4242" in text(customer.get("/wallet/auto?saved=1", follow=True))


def test_staff_are_told_where_they_are_and_nothing_is_changed(held, wallet, with_card):
    staff, before = signed_in(StaffFactory(is_superuser=True)), rows(wallet)
    pages = {
        f"/admin/wallets/autotopup/{with_card.pk}/off/": {"reason": "why"},
        f"/admin/accounts/account/{wallet.account.pk}/limit/": LIMITS,
    }
    for page, given in pages.items():
        with held(wallet):
            response = staff.post(page, given, follow=True)
        assert response.redirect_chain == [(page, 302)]
        assert STAFF_BUSY in text(response)
    with held(wallet.account):
        assert STAFF_BUSY in text(staff.post(f"/admin/accounts/account/{wallet.account.pk}/limit/", LIMITS, follow=True))
    assert rows(wallet) == before


def test_an_account_that_is_referred_to_can_be_limited(held, connect, wallet):
    """An event that is being written holds its account as a foreign key does: no reason to wait."""
    staff, other = signed_in(StaffFactory(is_superuser=True)), connect()
    with other.transaction():
        other.execute("select 1 from accounts_account where id = %s for key share", [wallet.account.pk])
        staff.post(f"/admin/accounts/account/{wallet.account.pk}/limit/", LIMITS)
    wallet.refresh_from_db()
    assert (wallet.max_in_flight, wallet.account.requests_per_minute) == (7, 7)


def test_a_locked_key_is_neither_paused_nor_revoked(held):
    key = ApiKeyFactory()
    owner = signed_in(key.account.user)
    with held(key):
        for change in (pausing.pause, issuing.revoke):
            with pytest.raises(WalletBusyError):
                change(key, actor=None)
        for deed in ("pause", "revoke"):
            response = owner.post(f"/keys/{key.pk}/{deed}/")
            assert (response.status_code, BUSY in text(response)) == (503, True)
    key.refresh_from_db()
    assert key.works()
    assert pausing.pause(key, actor=None)


def test_a_key_without_caps_waits_no_longer_for_its_account(held):
    account = WalletFactory().account
    with held(account), pytest.raises(WalletBusyError):
        issuing.issue(account, name="a", actor=None)
    assert issuing.issue(account, name="a", actor=None)


def test_a_locked_voucher_is_neither_redeemed_nor_disabled(held, wallet):
    made = vouchers.make(credits=Decimal(5), codes=1, uses=1, expires_at=None, note="", actor=StaffFactory())
    voucher = Voucher.objects.get(batch=made.batch)
    with held(voucher):
        with pytest.raises(WalletBusyError):
            vouchers.disable([voucher], actor=StaffFactory(), reason="why")
        with pytest.raises(WalletBusyError):
            vouchers.redeem(wallet.account, code=made.codes[0], actor=wallet.account.user)
    voucher.refresh_from_db()
    assert (voucher.used, voucher.disabled_at) == (0, None)
