"""Making keys while others do the same."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from keys import issuing, tokens
from keys.models import ApiKey
from tests.factories import AccountFactory, ApiKeyFactory


def racing(account, submissions: list[uuid.UUID]) -> list[issuing.Issued | issuing.Refused]:
    def issue(submission: uuid.UUID) -> issuing.Issued | issuing.Refused:
        try:
            return issuing.issue(account, name="racer", actor=None, submission=submission)
        except issuing.Refused as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(submissions)) as threads:
        return list(threads.map(issue, submissions))


def test_a_form_sent_many_times_at_once_makes_one_key(committed):
    account = AccountFactory()
    outcomes = racing(account, [uuid.uuid4()] * 6)
    (issued,) = [outcome for outcome in outcomes if isinstance(outcome, issuing.Issued)]
    assert all(outcome.key == issued.key for outcome in outcomes)
    assert list(ApiKey.objects.of_account(account)) == [issued.key]


def test_the_limit_holds_for_keys_made_at_once(committed, monkeypatch):
    monkeypatch.setattr(issuing, "ACTIVE_KEYS", 3)
    account = AccountFactory()
    outcomes = racing(account, [uuid.uuid4() for _ in range(6)])
    assert sum(isinstance(outcome, issuing.Issued) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, issuing.TooManyKeys) for outcome in outcomes) == 3
    assert ApiKey.objects.of_account(account).active().count() == 3


def test_an_issued_key_does_not_show_its_token_by_accident(db):
    issued = issuing.issue(AccountFactory(), name="worker", actor=None)
    assert tokens.well_formed(issued.token)
    assert issued.token[12:] not in f"{issued!r} {issued.key!r} {vars(issued.key)}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"digest": "sk-bt-AAAAAA"},
        {"prefix": "sk-AAAAAAAAA"},
        {"name": "  "},
    ],
)
def test_the_database_refuses_a_row_that_is_no_key(db, wrong):
    key = ApiKeyFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(**wrong)


def test_the_database_refuses_a_second_key_of_one_digest_or_form(db):
    key, other = ApiKeyFactory(), ApiKeyFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=other.pk).update(digest=key.digest)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKeyFactory(account=key.account, submission=key.submission)
