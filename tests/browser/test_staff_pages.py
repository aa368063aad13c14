"""The admin's pages of an account and of what it has fit a phone, also where an address is long."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse

from tests.factories import PASSWORD, AccountFactory, ApiKeyFactory, StaffFactory, UserFactory, WalletFactory
from tests.tasks_app.states import failed, stored
from tests.topups.told import pending
from wallets.budgets import set_caps
from wallets.models import AutoTopUp, Cap, WebhookEvent
from wallets.top_ups import take_backs, topups


@pytest.fixture
def staff(committed):
    return StaffFactory(is_superuser=True).email


@pytest.fixture
def pages(committed):
    """Paths of the admin, of an account whose address has nowhere to break."""
    account = AccountFactory(user=UserFactory(email=f"{uuid4().hex}@{uuid4().hex}.example.com"))
    wallet = WalletFactory(account=account, balance=1000)
    key = ApiKeyFactory(account=account, name="the shop's nightly job")
    set_caps(wallet, key_id=key.pk, limits={"day": Decimal(10), "total": Decimal(100)}, actor=None)
    auto = AutoTopUp.objects.create(wallet=wallet, threshold_credits=1, amount_usd=10, monthly_ceiling_usd=50)
    top_up = pending(wallet)
    topups.credit(top_up, payment_id=f"pi_{uuid4().hex}")
    take_backs.dispute(top_up, dispute_id=f"du_{uuid4().hex}", amount_usd=Decimal(10))
    task = failed(wallet)
    file = stored(task)
    WebhookEvent.objects.create(provider="stripe", event_id=f"evt_{uuid4().hex}", type="a.type", top_up=top_up, verdict="disputed")
    return [
        reverse("admin:index"),
        reverse("admin:accounts_account_change", args=[account.pk]),
        reverse("admin:keys_apikey_change", args=[key.pk]),
        reverse("admin:wallets_autotopup_change", args=[auto.pk]),
        reverse("admin:wallets_topup_change", args=[quote(top_up.pk)]),
        reverse("admin:wallets_cap_change", args=[Cap.objects.filter(wallet=wallet).latest("pk").pk]),
        f"/admin/accounts/account/{account.pk}/limit/",
        reverse("admin:wallets_topup_changelist") + f"?q={account.user.email}",
        reverse("admin:wallets_cap_changelist") + f"?q={account.user.email}",
        reverse("admin:tasks_app_task_change", args=[quote(task.pk)]),
        reverse("admin:tasks_app_artifact_change", args=[quote(file.pk)]),
        reverse("admin:tasks_app_task_changelist") + f"?q={account.user.email}",
        reverse("admin:tasks_app_artifact_changelist") + f"?q={account.user.email}",
        reverse("admin:keys_apikey_changelist") + f"?q={account.user.email}",
    ]


@pytest.mark.parametrize("width", [1280, 360])
def test_they_fit(visitor, staff, pages, width):
    ann = visitor(width=width)
    page = ann.open("/admin/")
    page.locator("[name=username]").fill(staff)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")
    page.get_by_role("heading", name="To look at").wait_for()
    too_wide = []
    for path in pages:
        ann.open(path)
        if ann.overflow() > 0:
            too_wide.append((path, ann.overflow()))
    assert too_wide == []
