"""An account's page leads to all it has, and to nobody else's."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts import notices
from accounts.models import Account
from tests.browsing import read, signed_in, text
from tests.factories import AccountFactory, ApiKeyFactory, StaffFactory, WalletFactory
from tests.tasks_app.states import queued, stored
from tests.topups.told import pending
from wallets.models import AutoTopUp, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return signed_in(StaffFactory(is_superuser=True))


def with_everything() -> Account:
    wallet = WalletFactory(balance=55)
    account = wallet.account
    ApiKeyFactory(account=account)
    pending(wallet)
    stored(queued(wallet))
    AutoTopUp.objects.create(wallet=wallet, threshold_credits=1, amount_usd=10, monthly_ceiling_usd=50)
    notices.tell(account, "low_balance", reference=f"a mail to {account.pk}", context={})
    return account


def test_its_page_leads_to_what_it_has(staff):
    account, _ = with_everything(), with_everything()
    page = staff.get(reverse("admin:accounts_account_change", args=[account.pk]))
    links = [link for link in read(page).links if "__exact=" in link]
    found = {link: staff.get(link) for link in links}
    rows = {link.split("/")[3]: list(answer.context["cl"].result_list) for link, answer in found.items() if "kind__exact" not in link}
    assert {model: len(of_it) for model, of_it in rows.items()} == {
        "event": 0,
        "apikey": 1,
        "notice": 1,
        "task": 1,
        "artifact": 1,
        "ledgerentry": 2,
        "usagerecord": 1,
        "topup": 1,
        "autotopup": 1,
        "cap": 0,
    }
    wallet = Wallet.objects.get(account=account)
    assert rows["topup"][0].wallet == rows["autotopup"][0].wallet == wallet
    assert rows["apikey"][0].account == account
    (vouchers,) = [answer for link, answer in found.items() if "kind__exact=voucher" in link]
    assert list(vouchers.context["cl"].result_list) == []
    assert reverse("admin:wallets_wallet_change", args=[wallet.pk]) in read(page).links


def test_an_account_without_a_wallet_has_a_page_too(staff):
    page = staff.get(reverse("admin:accounts_account_change", args=[AccountFactory().pk]))
    assert "Everything done to this account" in text(page)
