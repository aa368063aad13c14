"""Staff set how much an account may do: with a reason, an event, and at once in every process."""

from __future__ import annotations

import httpx
import pytest

from accounts.models import Event
from tests.browsing import signed_in, text
from tests.contract.wire import eventually
from tests.factories import AccountFactory, StaffFactory, WalletFactory
from wallets.models import Wallet

pytestmark = pytest.mark.usefixtures("committed")


def page(account) -> str:
    return f"/admin/accounts/account/{account.pk}"


@pytest.fixture
def staff():
    return signed_in(StaffFactory(is_superuser=True))


def figures(account) -> tuple[int | None, int]:
    account.refresh_from_db()
    return account.requests_per_minute, Wallet.objects.get(account=account).max_in_flight


def events(account) -> list[tuple]:
    return [(event.kind, event.actor, event.data) for event in Event.objects.filter(account=account).order_by("id")]


def test_other_figures_are_kept_with_their_reason(staff):
    account = WalletFactory().account
    assert "600, as everybody has" in text(staff.get(f"{page(account)}/change/"))
    given = {"requests_per_minute": "1200", "max_in_flight": "100", "reason": "a large customer"}
    assert staff.post(f"{page(account)}/limit/", given).status_code == 302
    assert figures(account) == (1200, 100)
    shown = text(staff.get(f"{page(account)}/change/"))
    assert "1200" in shown and "100" in shown
    assert events(account) == [
        ("wallet.limit_changed", staff.user, {"before": 64, "after": 100, "reason": "a large customer"}),
        ("account.limit_changed", staff.user, {"before": None, "after": 1200, "reason": "a large customer"}),
    ]
    staff.post(f"{page(account)}/limit/", given)
    assert len(events(account)) == 2, "nothing changed"
    staff.post(f"{page(account)}/limit/", {**given, "requests_per_minute": "", "reason": "small again"})
    assert figures(account) == (None, 100)
    assert events(account)[2:] == [("account.limit_changed", staff.user, {"before": 1200, "after": None, "reason": "small again"})]


def test_an_account_may_keep_more_or_fewer_uploads(staff):
    account = WalletFactory().account
    assert "1000, 5.0 GB in all, as everybody has" in text(staff.get(f"{page(account)}/change/")).replace("\xa0", " ")
    given = {"max_in_flight": "64", "stored_uploads": "0", "stored_mib": "10240", "reason": "a large customer"}
    assert staff.post(f"{page(account)}/limit/", given).status_code == 302
    account.refresh_from_db()
    assert (account.stored_uploads, account.stored_bytes) == (0, 10 * 1024**3)
    assert "0, 10.0 GB in all" in text(staff.get(f"{page(account)}/change/")).replace("\xa0", " ")
    assert [(kind, data["before"], data["after"]) for kind, _, data in events(account)] == [
        ("account.uploads_limit_changed", None, 0),
        ("account.upload_bytes_limit_changed", None, 10 * 1024**3),
    ]
    staff.post(f"{page(account)}/limit/", {**given, "stored_uploads": "", "stored_mib": ""})
    account.refresh_from_db()
    assert (account.stored_uploads, account.stored_bytes) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [{"reason": ""}, {"requests_per_minute": "0"}, {"requests_per_minute": "-1"}, {"max_in_flight": ""}, {"max_in_flight": "-1"}],
    ids=str,
)
def test_what_is_no_limit_changes_nothing(staff, wrong):
    account = WalletFactory().account
    given = {"requests_per_minute": "10", "max_in_flight": "5", "reason": "why", **wrong}
    assert staff.post(f"{page(account)}/limit/", given).status_code == 200
    assert (figures(account), events(account)) == ((None, 64), [])


def test_who_may_only_look_can_not_change_them():
    account = WalletFactory().account
    looking = signed_in(StaffFactory(permissions=["accounts.view_account"]))
    given = {"requests_per_minute": "10", "max_in_flight": "5", "reason": "why"}
    assert looking.post(f"{page(account)}/limit/", given).status_code == 403
    assert figures(account) == (None, 64)


@pytest.mark.parametrize("nobody", ["x", "0", "9" * 30])
def test_a_page_of_no_account_is_not_found(staff, nobody):
    assert staff.get(f"/admin/accounts/account/{nobody}/limit/").status_code == 404
    assert staff.get(f"{page(AccountFactory())}/limit/").status_code == 404, "it has no wallet"


def test_they_are_at_work_at_once(staff, customer, site):
    owner = customer()
    ask = {"url": f"{site.v1}/wallet", "headers": owner.headers}
    assert httpx.get(**ask).status_code == 200
    staff.post(f"{page(owner.account)}/limit/", {"requests_per_minute": "1", "max_in_flight": "0", "reason": "a loop gone wild"})
    assert eventually(lambda: httpx.get(**ask).status_code == 429)

    staff.post(f"{page(owner.account)}/limit/", {"requests_per_minute": "1000", "max_in_flight": "0", "reason": "settled"})
    assert eventually(lambda: httpx.get(**ask).status_code == 200)
    refused = owner.chat()
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], refused.headers["Retry-After"]) == (429, "rate_limited", "2")
    assert error["details"] == {"limit": "calls_in_flight"}
