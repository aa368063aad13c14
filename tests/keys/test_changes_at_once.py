"""Changes of one key by several at once."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import reverse

from accounts.models import Event
from keys import editing, issuing, pausing, rotating
from keys.models import ApiKey
from keys.restrictions import Restrictions
from tests.browsing import signed_in, text
from tests.factories import ApiKeyFactory, WalletFactory
from wallets import budgets
from wallets.money import as_text

DAY = timedelta(days=1)


def at_once(*deeds: Callable[[], Any]) -> list[Any]:
    """What each of these gives or raises, all begun together."""

    def outcome(deed: Callable[[], Any]) -> Any:
        try:
            return deed()
        except issuing.Refused as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(deeds)) as threads:
        return list(threads.map(outcome, deeds))


def rotate(key: ApiKey, submission: uuid.UUID | None = None) -> Callable[[], Any]:
    return lambda: rotating.rotate(key, overlap=DAY, actor=None, submission=submission or uuid.uuid4())


def kinds(key: ApiKey) -> list[str]:
    return sorted(Event.objects.filter(account=key.account).values_list("kind", flat=True))


@pytest.mark.parametrize("submission", [None, uuid.uuid4()], ids=["two forms", "one form"])
def test_of_rotations_at_once_one_makes_a_key(committed, submission: uuid.UUID | None):
    key = ApiKeyFactory()
    outcomes = at_once(*[rotate(key, submission)] * 5)
    (issued,) = [outcome for outcome in outcomes if isinstance(outcome, issuing.Issued)]
    refused = editing.NotChangeable if submission is None else issuing.AlreadyIssued
    assert sum(isinstance(outcome, refused) for outcome in outcomes) == 4
    assert set(ApiKey.objects.filter(account=key.account)) == {key, issued.key}
    assert ApiKey.objects.get(pk=key.pk).replaced_by == issued.key
    assert kinds(key) == ["key.rotated"]


def test_a_key_paused_and_revoked_at_once_is_revoked(committed):
    for _ in range(5):
        key = ApiKeyFactory()
        paused, revoked = at_once(lambda key=key: pausing.pause(key, actor=None), lambda key=key: issuing.revoke(key, actor=None))
        assert revoked
        after = ApiKey.objects.get(pk=key.pk)
        assert after.status() == ApiKey.Status.REVOKED
        assert (after.paused_at is not None) is paused
        assert kinds(key) == (["key.paused", "key.revoked"] if paused else ["key.revoked"])


def test_a_key_rotated_and_revoked_at_once_is_revoked(committed):
    for _ in range(5):
        key = ApiKeyFactory()
        rotated, revoked = at_once(rotate(key), lambda key=key: issuing.revoke(key, actor=None))
        assert revoked
        after = ApiKey.objects.get(pk=key.pk)
        assert after.revoked_at is not None
        assert (after.replaced_by_id is not None) is isinstance(rotated, issuing.Issued)


def test_an_edit_at_once_with_a_rotation_never_lengthens_the_overlap(committed):
    """Either the new key has what was edited, or the edit is refused."""
    for _ in range(5):
        key = ApiKeyFactory()
        edit = lambda key=key: editing.edit(key, name="b", restrictions=Restrictions(requests_per_minute=7), actor=None)  # noqa: E731
        edited, rotated = at_once(edit, rotate(key))
        old = ApiKey.objects.get(pk=key.pk)
        assert old.expires_at is not None
        assert isinstance(rotated, issuing.Issued)
        new = ApiKey.objects.get(pk=rotated.key.pk)
        assert (new.requests_per_minute, new.name) == ((7, "b") if edited is True else (None, key.name))


def test_of_two_edits_at_once_the_later_one_counts_as_a_whole(committed):
    for _ in range(5):
        key = ApiKeyFactory()
        given = {"a": {"day": Decimal(1), "month": Decimal(1)}, "b": {"day": Decimal(2), "total": Decimal(2), "month": None}}

        def edit(name: str, key=key, given=given) -> Callable[[], Any]:
            return lambda: editing.edit(key, name=name, restrictions=Restrictions(), limits={"total": None} | given[name], actor=None)

        assert at_once(edit("a"), edit("b")) == [True, True]
        name = ApiKey.objects.get(pk=key.pk).name
        limits = {cap.window: cap.limit_credits for cap in budgets.caps_of([key.pk])[key.pk]}
        assert limits == {window: limit for window, limit in given[name].items() if limit is not None}
        changes = Event.objects.filter(account=key.account, kind="key.caps_changed").order_by("pk")
        assert changes.last().data["limits"]["day"] == as_text(given[name]["day"])


def test_of_a_form_sent_twice_at_once_one_makes_a_key_with_its_caps(committed):
    wallet, submission = WalletFactory(), uuid.uuid4()

    def issue() -> issuing.Issued:
        return issuing.issue(wallet.account, name="a", actor=None, limits={"day": Decimal(5)}, submission=submission)

    outcomes = at_once(*[issue] * 5)
    (issued,) = [outcome for outcome in outcomes if isinstance(outcome, issuing.Issued)]
    assert sum(isinstance(outcome, issuing.AlreadyIssued) for outcome in outcomes) == 4
    assert [cap.limit_credits for cap in budgets.caps_of([issued.key.pk])[issued.key.pk]] == [5]


def test_while_the_wallet_is_locked_a_key_is_refused_and_nothing_of_the_form_is_lost(committed, monkeypatch):
    monkeypatch.setattr("wallets.models.wallet.LOCK_TIMEOUT", "50ms")
    key = ApiKeyFactory()
    owner = signed_in(key.account.user)
    given = {"name": "the name I gave", "expires": "never", "scope_choice": "all", "model_choice": "all", "cap_week": "12.5"}
    with closing(connection.copy()) as other:
        other.set_autocommit(False)
        other.cursor().execute("select 1 from wallets_wallet where account_id = %s for no key update", [key.account_id])
        for url, number in ((reverse("keys:edit", args=[key.pk]), {}), (reverse("keys:create"), {"submission": str(uuid.uuid4())})):
            response = owner.post(url, given | number)
            assert response.status_code == 503
            assert "Your wallet is busy with something else. Nothing was saved; try again." in text(response)
            assert b'value="the name I gave"' in response.content
            assert b'value="12.5"' in response.content
        rotated = owner.post(reverse("keys:rotate", args=[key.pk]), {"overlap": "0", "submission": str(uuid.uuid4())})
        assert rotated.status_code == 503
        assert "Your wallet is busy" in text(rotated)
        other.rollback()
    assert ApiKey.objects.get(account=key.account).works()
    assert kinds(key) == []


def test_a_cap_whose_sum_takes_too_long_is_refused_as_by_a_busy_wallet(committed, monkeypatch):
    monkeypatch.setattr("wallets.budgets.SUM_TIMEOUT", "50ms")
    monkeypatch.setattr("wallets.models.wallet.LOCK_TIMEOUT", "60s")
    key = ApiKeyFactory()
    wallet = WalletFactory(account=key.account)
    given = {
        "name": "the name I gave",
        "expires": "never",
        "scope_choice": "all",
        "model_choice": "all",
        "cap_week": "12.5",
        "cap_total": "20",
    }
    edit = reverse("keys:edit", args=[key.pk])
    owner = signed_in(key.account.user)
    with closing(connection.copy()) as other:
        other.set_autocommit(False)
        # Stands for a long history: the statement that adds it up does not come to its end
        other.cursor().execute("lock table wallets_cap in exclusive mode")
        response = owner.post(edit, given)
        assert response.status_code == 503
        assert "Your wallet is busy with something else. Nothing was saved; try again." in text(response)
        other.rollback()
    assert (ApiKey.objects.get(pk=key.pk).name, budgets.caps_of([key.pk])) == (key.name, {})
    assert owner.post(edit, given).status_code == 302
    assert {cap.window: cap.limit_credits for cap in budgets.caps_of([key.pk])[key.pk]} == {"week": Decimal("12.5"), "total": 20}
    with transaction.atomic(), connection.cursor() as cursor:
        budgets.set_caps(wallet, key_id=key.pk, limits={"day": Decimal(1)}, actor=None)
        cursor.execute("show statement_timeout")
        assert cursor.fetchone() == ("0",), "what follows in the transaction has the time that it had before"


def test_a_key_is_paused_once_however_often_at_once(committed):
    key = ApiKeyFactory()
    assert sum(at_once(*[lambda: pausing.pause(key, actor=None)] * 5)) == 1
    assert sum(at_once(*[lambda: pausing.resume(key, actor=None)] * 5)) == 1
    assert kinds(key) == ["key.paused", "key.resumed"]
