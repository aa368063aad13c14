"""Spend caps on the pages of keys: set, changed, shown, and kept when a key is rotated."""

import re
import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, Event
from keys import editing, issuing, tokens
from keys.models import ApiKey
from tests.browsing import read, signed_in, text
from tests.factories import AccountFactory, ApiKeyFactory, WalletFactory
from tests.keys.test_key_form import UNRESTRICTED, errors_in
from tests.wallets.calls import charge, hold
from wallets import budgets, holds
from wallets.models import BudgetKey

pytestmark = pytest.mark.django_db

CREATE = reverse("keys:create")
WINDOWS = ("day", "week", "month", "total")


@pytest.fixture
def account() -> Account:
    return WalletFactory(balance=1000).account


@pytest.fixture
def owner(account: Account) -> Client:
    return signed_in(account.user)


def create(owner: Client, **data: str):
    return owner.post(CREATE, {**UNRESTRICTED, "submission": str(uuid.uuid4()), **data})


def edit(owner: Client, key: ApiKey, **data: str):
    return owner.post(url("edit", key), {**UNRESTRICTED, **data}, follow=True)


def rotate(owner: Client, key: ApiKey, overlap: str = "24"):
    return owner.post(url("rotate", key), {"overlap": overlap, "submission": str(uuid.uuid4())})


def url(page: str, key: ApiKey) -> str:
    return reverse(f"keys:{page}", args=[key.pk])


def capped(account: Account, **limits: str) -> ApiKey:
    key = ApiKeyFactory(account=account, name="worker")
    budgets.set_caps(account.wallet, key_id=key.pk, limits={window: Decimal(limit) for window, limit in limits.items()}, actor=None)
    return key


def spend(key: ApiKey, credits: str) -> None:
    one = hold(key.account.wallet, credits, key_id=key.pk)
    assert [verdict.kind for verdict in holds.place([one])] == ["held"]
    holds.settle([charge(one, credits)])


def limits(key: ApiKey) -> dict[str, Decimal]:
    return {cap.window: cap.limit_credits for cap in budgets.caps_of([key.pk]).get(key.pk, [])}


def row(owner: Client, key: ApiKey) -> str:
    """What the list says of the key."""
    (found,) = [row for row in owner.get(reverse("keys:list")).content.decode().split("<tr") if url("detail", key) in row]
    return " ".join(re.sub(r"<[^>]*>", " ", found).split())


def caps_changed(account: Account) -> list[dict[str, str | None]]:
    return [event.data["limits"] for event in Event.objects.filter(account=account, kind="key.caps_changed").order_by("pk")]


# The form


def test_a_key_is_created_with_caps(owner: Client, account: Account):
    assert create(owner, cap_day="10", cap_week=" 20.5 ", cap_month=".0001", cap_total="1000000000").status_code == 200
    key = ApiKey.objects.get(account=account)
    assert limits(key) == {"day": 10, "week": Decimal("20.5"), "month": Decimal("0.0001"), "total": 1_000_000_000}
    (event,) = Event.objects.filter(account=account, kind="key.caps_changed")
    assert (event.actor, event.data["key_id"]) == (account.user, key.pk)


def test_a_key_without_caps_has_no_budget(owner: Client, account: Account):
    assert create(owner).status_code == 200
    key = ApiKey.objects.get(account=account)
    assert not BudgetKey.objects.filter(key_id=key.pk).exists()
    assert "Spend caps None: the key may spend all that the wallet has" in text(owner.get(url("detail", key)))
    assert not caps_changed(account)


def test_a_form_sent_twice_makes_one_key_with_its_caps(owner: Client, account: Account):
    number = str(uuid.uuid4())
    for day in ("10", "20"):
        create(owner, submission=number, cap_day=day)
    assert limits(ApiKey.objects.get(account=account)) == {"day": 10}


@pytest.mark.parametrize("field", [f"cap_{window}" for window in WINDOWS])
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "edited"])
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("ten", "in digits"),
        ("1,234.5", "in digits"),
        ("1e3", "in digits"),
        ("1_000", "in digits"),
        ("NaN", "in digits"),
        ("٣", "in digits"),
        ("1 000", "in digits"),
        ("-1", "can't be below zero"),
        ("1.00001", "four decimal places at most"),
        ("1000000000.0001", "1,000,000,000 credits at most"),
        ("9" * 5000, "1,000,000,000 credits at most"),
    ],
)
def test_a_mistake_is_named_at_its_field_and_nothing_is_lost(
    owner: Client, account: Account, field: str, is_new: bool, typed: str, said: str
):
    key = None if is_new else capped(account, day="3")
    given = {"cap_day": "7", "name": "the name I gave", "requests_per_minute": "61", field: typed}
    response = create(owner, **given) if key is None else edit(owner, key, **given)
    assert response.status_code == 422
    assert len(errors_in(response)) == 1
    assert said in errors_in(response)[0]
    page = response.content.decode()
    for name, sent in given.items():
        assert re.search(rf'<input[^>]*name="{name}"[^>]*value="{re.escape(sent)}"|value="{re.escape(sent)}"[^>]*name="{name}"', page), name
    assert re.search(r"<details[^>]* open>\s*<summary>Spend caps", page)
    if key is None:
        assert not ApiKey.objects.filter(account=account).exists()
    else:
        assert limits(key) == {"day": 3}
        assert len(caps_changed(account)) == 1


def test_all_mistakes_are_named_at_once(owner: Client):
    assert len(errors_in(create(owner, **{f"cap_{window}": "x" for window in WINDOWS}))) == 4


def test_caps_stay_tucked_away_where_there_are_none(owner: Client):
    assert not re.search(r"<details[^>]* open", owner.get(CREATE).content.decode())
    assert len(re.findall(r"<details[^>]* open", create(owner, name="", cap_day="5").content.decode())) == 1


def test_the_form_of_a_key_shows_its_caps_and_what_is_spent_of_them(owner: Client, account: Account):
    key = capped(account, day="1500", total="7.25")
    spend(key, "2.5")
    response = owner.get(url("edit", key))
    page = response.content.decode()
    assert 'value="1500.0000"' in page
    assert 'value="7.2500"' in page
    assert "2.5000 credits are spent today." in text(response)
    assert "2.5000 credits are spent in all." in text(response)
    saved = edit(owner, key, cap_day="1500.0000", cap_total="7.2500")
    assert "Nothing was changed." in text(saved)
    assert len(caps_changed(account)) == 1


def test_caps_are_changed_set_and_removed(owner: Client, account: Account):
    key = capped(account, day="5", month="9")
    spend(key, "4")
    assert "The changes are saved." in text(edit(owner, key, cap_day="6", cap_week="8"))
    assert limits(key) == {"day": 6, "week": 8}
    assert {cap.spent_credits for cap in budgets.caps_of([key.pk])[key.pk]} == {4}
    assert caps_changed(account)[1:] == [{"day": "6.0000", "week": "8.0000", "month": None}]
    edit(owner, key)
    assert limits(key) == {}


def test_a_key_that_was_replaced_has_its_caps_changed_by_the_new_one_alone(owner: Client, account: Account):
    key = capped(account, day="5")
    rotate(owner, key)
    assert "has been replaced" in text(edit(owner, key, cap_day="500"))
    assert limits(key) == {"day": 5}


def test_nobody_else_sees_or_changes_caps(account: Account):
    key = capped(account, day="5.1234")
    spend(key, "5.1234")
    for client, status in ((Client(), 302), (signed_in(AccountFactory().user), 404)):
        for page in ("detail", "edit", "rotate"):
            response = client.get(url(page, key))
            assert response.status_code == status
            assert b"5.1234" not in response.content
        assert client.post(url("edit", key), {**UNRESTRICTED, "cap_day": "500"}).status_code == status
        assert b"5.1234" not in client.get(reverse("keys:list"), follow=True).content
    assert limits(key) == {"day": Decimal("5.1234")}


# What is shown


def test_a_bar_shows_what_is_spent_of_a_cap(owner: Client, account: Account):
    key = capped(account, day="1250", total="100")
    spend(key, "12.5")
    holds.place([hold(account.wallet, "3", key_id=key.pk)])
    response = owner.get(url("detail", key))
    shown = text(response)
    (resets_at,) = [cap.resets_at for cap in budgets.caps_of([key.pk])[key.pk] if cap.window == "day"]
    assert f"12.5000 of 1,250.0000 credits today, resets {resets_at:%b} {resets_at.day}, 00:00 UTC" in shown
    assert "12.5000 of 100.0000 credits in total 3.0000 more are held" in shown
    assert re.findall(r'<progress max="100" value="(\d+)"', response.content.decode()) == ["1", "12"]
    assert "spend_limit_reached" not in shown
    assert " cap " not in row(owner, key)
    assert "1,250.0000 credits a day · 100.0000 credits in total" in row(owner, key)
    assert read(response).inline == []


@pytest.mark.parametrize(
    ("spent", "badge", "is_refused"),
    [("7.9999", "", False), ("8", "80 % used", False), ("9.9999", "99 % used", False), ("10", "Used up", True)],
)
def test_a_cap_that_is_nearly_or_wholly_used_up_says_so_in_words(owner: Client, account: Account, spent: str, badge: str, is_refused: bool):
    key = capped(account, month="10")
    spend(key, spent)
    shown = text(owner.get(url("detail", key)))
    assert re.findall(r"\d+ % used|Used up", shown) == ([badge] if badge else [])
    assert ("are refused with spend_limit_reached" in shown) is is_refused
    assert (f"Monthly cap {badge.lower()}" in row(owner, key)) is bool(badge)


def test_a_cap_of_nothing_is_used_up(owner: Client, account: Account):
    assert "0.0000 of 0.0000 credits in total Used up" in text(owner.get(url("detail", capped(account, total="0"))))


def test_a_limit_below_what_is_spent_is_saved_and_named(owner: Client, account: Account):
    key = capped(account, week="10")
    spend(key, "6")
    saved = text(edit(owner, key, cap_week="5"))
    assert "The changes are saved." in saved
    assert "6.0000 of 5.0000 credits this week" in saved
    assert "The limit is below what is spent already." in saved
    assert limits(key) == {"week": 5}


def test_the_list_says_nothing_of_the_caps_of_a_key_that_is_over(owner: Client, account: Account):
    key = capped(account, day="1")
    spend(key, "1")
    assert "Daily cap used up" in row(owner, key)
    issuing.revoke(key, actor=None)
    assert "used up" not in row(owner, key)


def test_the_list_asks_for_all_caps_at_once(owner: Client, account: Account):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            owner.get(reverse("keys:list"))
        return len(captured)

    capped(account, day="1")
    queries()
    before = queries()
    for _ in range(3):
        capped(account, day="1", month="2")
    assert queries() == before


# Rotation


def test_a_rotated_key_and_its_successor_spend_of_the_same_caps(owner: Client, account: Account):
    key = capped(account, day="10")
    spend(key, "4")
    assert "Both spend of the same caps while they overlap" in text(owner.get(url("rotate", key)))
    response = rotate(owner, key)
    assert "Until then both spend of the same caps." in text(response)
    new = ApiKey.objects.get(digest=tokens.digest(re.findall(r"sk-bt-[0-9A-Za-z]{38}", response.content.decode())[0]))
    spend(new, "3")
    for one in (key, new):
        assert "7.0000 of 10.0000 credits today" in text(owner.get(url("detail", one)))
        assert [verdict.kind for verdict in holds.place([hold(account.wallet, "4", key_id=one.pk)])] == ["capped"]
    assert "The key that it replaced spends of the same caps while it works." in text(owner.get(url("detail", new)))
    assert "It spends of the same caps as the key that replaced it" in text(owner.get(url("detail", key)))
    edit(owner, new, cap_day="20")
    spend(key, "4")
    assert limits(key) == limits(new) == {"day": 20}


def test_caps_set_after_a_rotation_count_for_both(owner: Client, account: Account):
    key = ApiKeyFactory(account=account)
    assert "caps" not in text(rotate(owner, key, "1"))
    new = ApiKey.objects.get(replaces=key)
    edit(owner, new, cap_total="5")
    spend(key, "5")
    assert [verdict.kind for verdict in holds.place([hold(account.wallet, "1", key_id=new.pk)])] == ["capped"]


def test_what_was_spent_counts_where_the_old_key_ends_at_once(owner: Client, account: Account):
    key = capped(account, day="10")
    assert "What it has spent of its caps counts for the new one." in text(rotate(owner, key, "0"))


# One transaction, and several at once


def test_a_key_is_not_made_where_its_caps_can_not_be(account: Account):
    with pytest.raises(ValueError, match="no cap"):
        issuing.issue(account, name="worker", actor=None, limits={"day": Decimal("0.00001")})
    assert not ApiKey.objects.filter(account=account).exists()


def test_a_key_is_not_changed_where_its_caps_can_not_be(account: Account):
    key = capped(account, day="5")
    with pytest.raises(ValueError, match="no cap"):
        editing.edit(key, name="other", restrictions=key.restrictions, limits={"year": Decimal(1)}, actor=None)
    assert ApiKey.objects.get(pk=key.pk).name == "worker"
