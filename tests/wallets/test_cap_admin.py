"""Staff look at spend caps, and find them by key or by account; nobody changes them there."""

from decimal import Decimal

import pytest
from django.urls import reverse

from tests.browsing import signed_in
from tests.factories import StaffFactory, WalletFactory
from wallets.budgets import join_budget, set_caps
from wallets.models import Cap

pytestmark = pytest.mark.django_db
LIST = "admin:wallets_cap_changelist"


@pytest.fixture
def staff():
    return signed_in(StaffFactory(permissions=["wallets.view_cap"]))


@pytest.fixture
def cap():
    wallet = WalletFactory()
    set_caps(wallet, key_id=wallet.pk + 10**6, limits={"week": Decimal(12)}, actor=None)
    set_caps(WalletFactory(), key_id=wallet.pk + 10**7, limits={"day": Decimal(7)}, actor=None)
    join_budget(wallet, key_id=wallet.pk + 10**8, replaces_key_id=wallet.pk + 10**6)
    return Cap.objects.get(wallet=wallet)


def test_they_are_found_by_key_and_by_account(staff, cap):
    for term in (str(cap.budget_id), str(cap.wallet_id + 10**8), cap.wallet.account.user.email.upper()):
        assert list(staff.get(reverse(LIST), {"q": term}).context["cl"].result_list) == [cap]
    for term in ("nobody@example.com", "key", "9" * 30, "99999999"):
        assert list(staff.get(reverse(LIST), {"q": term}).context["cl"].result_list) == []


def test_they_are_looked_at_and_not_changed(staff, cap):
    assert f"{cap.budget_id}, {cap.wallet_id + 10**8}" in staff.get(reverse(LIST)).content.decode()
    page = reverse("admin:wallets_cap_change", args=[cap.pk])
    answer = staff.get(page).content.decode()
    assert "12.0000" in answer
    assert 'name="limit_credits"' not in answer
    assert staff.post(page, {"limit_credits": "5"}).status_code == 403
    assert staff.get(reverse("admin:wallets_cap_add")).status_code == 403
