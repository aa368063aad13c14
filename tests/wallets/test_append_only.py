"""What is written in the books stays: the database itself refuses to change or delete it."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import ProtectedError

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold
from wallets import holds
from wallets.models import CreditsPerUsdRate, LedgerEntry, UsageRecord, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet():
    return WalletFactory(balance=10)


@pytest.fixture
def charged(wallet):
    held = hold(wallet, 3)
    holds.place([held])
    holds.settle([charge(held, 2)])
    return UsageRecord.objects.get(pk=held.usage_id)


def refused(work):
    with pytest.raises(IntegrityError, match=r"append-only|is closed"), transaction.atomic():
        work()


def execute(text):
    with connection.cursor() as cursor:
        cursor.execute(text)


def test_an_entry_can_be_neither_changed_nor_deleted(wallet):
    entries = LedgerEntry.objects.filter(wallet=wallet)
    refused(lambda: entries.update(reason="another"))
    refused(lambda: entries.update(amount=1000))
    refused(entries.delete)
    assert entries.get().amount == 10


def test_a_rate_can_be_neither_changed_nor_deleted(wallet):
    CreditsPerUsdRate.objects.create(wallet=wallet, value=5, reason="a deal")
    refused(lambda: wallet.rates.update(value=6))
    refused(wallet.rates.all().delete)


@pytest.mark.parametrize("table", ["ledgerentry", "creditsperusdrate", "usagerecord"])
def test_nothing_is_truncated(table, wallet):
    refused(lambda: execute(f"set constraints all immediate; truncate wallets_{table} cascade"))
    refused(lambda: execute("set constraints all immediate; truncate wallets_wallet cascade"))


def test_a_test_database_may_be_truncated(wallet):
    execute("set constraints all immediate; set local beatra.allow_truncate = 'on'; truncate wallets_wallet cascade")
    assert Wallet.objects.count() == LedgerEntry.objects.count() == 0


def test_a_closed_record_changes_only_by_its_refund(wallet, charged):
    released = hold(wallet, 1)
    holds.place([released])
    holds.release([giving_back(released)])
    for usage_id in (charged.pk, released.usage_id):
        record = UsageRecord.objects.filter(pk=usage_id)
        refused(lambda record=record: record.update(hold_credits=7))
        refused(lambda record=record: record.update(status="open", closed_at=None))
        refused(lambda record=record: record.update(outcome="other"))
        refused(lambda usage_id=usage_id: execute(f"delete from wallets_usagerecord where id = '{usage_id}'"))
        assert record.update(metadata={}) == 1
    assert UsageRecord.objects.filter(pk=charged.pk).update(refunded_credits=2) == 1


def test_an_open_record_is_not_deleted(wallet):
    held = hold(wallet, 1)
    holds.place([held])
    refused(UsageRecord.objects.filter(pk=held.usage_id).delete)


def test_a_wallet_with_books_is_protected(wallet, charged):
    with pytest.raises(ProtectedError):
        wallet.delete()
    with pytest.raises(ProtectedError):
        wallet.account.delete()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("wallet", "held = -0.0001"),
        ("wallet", "in_flight = -1"),
        ("wallet", "held = 1"),
        ("usagerecord", "refunded_credits = 2.0001"),
        ("usagerecord", "refunded_credits = -1"),
    ],
)
def test_amounts_that_can_not_be_are_refused(wallet, charged, table, change):
    with pytest.raises(IntegrityError, match="check constraint"), transaction.atomic():
        execute(f"update wallets_{table} set {change}")


def test_a_record_must_be_of_a_known_kind(wallet):
    for fields in ({"clause": "generous"}, {"hold_credits": -1}, {"status": "charged"}, {"status": "maybe"}, {"charged_credits": 1}):
        with pytest.raises(DatabaseError), transaction.atomic():
            UsageRecord.objects.create(**{"id": "chatcmpl_bad", "wallet": wallet, "status": "open", "hold_credits": 1, **fields})
    with pytest.raises(IntegrityError), transaction.atomic():
        LedgerEntry.objects.create(wallet=wallet, seq=1, kind="grant", amount=1, balance_after=1, reference="grant:same-seq")
