"""Changes of one key by several at once."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import Event
from keys import editing, issuing, pausing, rotating
from keys.models import ApiKey
from keys.restrictions import Restrictions
from tests.factories import ApiKeyFactory

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


def test_a_key_is_paused_once_however_often_at_once(committed):
    key = ApiKeyFactory()
    assert sum(at_once(*[lambda: pausing.pause(key, actor=None)] * 5)) == 1
    assert sum(at_once(*[lambda: pausing.resume(key, actor=None)] * 5)) == 1
    assert kinds(key) == ["key.paused", "key.resumed"]
