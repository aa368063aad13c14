"""Staff look at spend caps, and find them by key or by account; nobody changes them there."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.urls import reverse

from keys.rotating import rotate
from tests.browsing import read, signed_in, text
from tests.factories import ApiKeyFactory, StaffFactory
from wallets.budgets import set_caps
from wallets.models import Cap, Wallet

pytestmark = pytest.mark.django_db
LIST = reverse("admin:wallets_cap_changelist")


@pytest.fixture
def staff():
    return signed_in(StaffFactory(permissions=["wallets.view_cap", "keys.view_apikey"]))


def capped(**limits):
    key = ApiKeyFactory()
    wallet = Wallet.objects.get(account=key.account)
    set_caps(wallet, key_id=key.pk, limits={window: Decimal(limit) for window, limit in limits.items()}, actor=None)
    return key


@pytest.fixture
def keys():
    """A key with a cap, and the one that replaced it; another account's key has one too."""
    old = capped(week=12)
    capped(day=7)
    return old, rotate(old, overlap=timedelta(hours=1), actor=None, submission=uuid4()).key


@pytest.fixture
def cap(keys):
    return Cap.objects.get(budget_id=keys[0].pk)


def page_of(key) -> str:
    return reverse("admin:keys_apikey_change", args=[key.pk])


def test_they_are_found_by_key_and_by_account(staff, keys, cap):
    for term in (str(keys[0].pk), str(keys[1].pk), cap.wallet.account.user.email.upper()):
        assert list(staff.get(LIST, {"q": term}).context["cl"].result_list) == [cap]
    for term in ("nobody@example.com", "key", "9" * 30, "99999999"):
        assert list(staff.get(LIST, {"q": term}).context["cl"].result_list) == []


def test_they_are_looked_at_and_not_changed(staff, cap):
    page = reverse("admin:wallets_cap_change", args=[cap.pk])
    answer = staff.get(page).content.decode()
    assert "12.0000" in answer
    assert 'name="limit_credits"' not in answer
    assert staff.post(page, {"limit_credits": "5"}).status_code == 403
    assert staff.get(reverse("admin:wallets_cap_add")).status_code == 403


def test_they_lead_to_their_keys_the_newest_first(staff, keys, cap):
    old, new = keys
    listed = staff.get(LIST, {"q": str(old.pk)})
    assert str(new) in text(listed) and page_of(new) in read(listed).links
    assert str(old) not in text(listed)
    page = staff.get(reverse("admin:wallets_cap_change", args=[cap.pk]))
    assert text(page).index(str(new)) < text(page).index(str(old))
    assert {page_of(old), page_of(new)} <= set(read(page).links)


def test_a_total_began_at_no_date(staff):
    key = capped(total=5)
    listed = text(staff.get(LIST, {"q": str(key.pk)}))
    assert "in total" in listed
    assert "1970" not in listed


def test_a_key_shows_its_caps_in_the_list_and_on_its_page(staff):
    key = capped(day=0, month=50)
    ApiKeyFactory(account=key.account, name="without caps")
    rows = text(staff.get(reverse("admin:keys_apikey_changelist"), {"q": key.account.user.email}))
    assert "0.0000 credits a day, used up · 50.0000 credits a month, 0 % used" in rows
    assert "without caps Active none none" in rows
    assert "50.0000 credits a month, 0 % used: 0.0000 spent, 0.0000 held" in text(staff.get(page_of(key)))
