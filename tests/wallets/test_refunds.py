"""A refund gives back what was charged, once for each cause, and never more."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import OperationalError, connection, transaction

from tests.factories import UserFactory, WalletFactory
from tests.wallets.calls import charge, giving_back, hold, new_id, now
from wallets import holds, ledger
from wallets.audit import audit
from wallets.models import LedgerEntry, UsageRecord
from wallets.refunds import refund


def charged(wallet, credits: Decimal | str | int) -> str:
    held = hold(wallet, credits)
    holds.place([held])
    holds.settle([charge(held, credits)])
    return held.usage_id


def refunded(usage_id: str) -> Decimal:
    return UsageRecord.objects.get(pk=usage_id).refunded_credits


def a_cause() -> str:
    return f"refund:{new_id()}"


@pytest.mark.django_db
class TestRefund:
    def test_it_gives_back_with_one_entry(self):
        wallet, actor, cause = WalletFactory(balance=10), UserFactory(), a_cause()
        usage_id = charged(wallet, 4)
        entry = refund(usage_id, credits=Decimal("1.5"), reference=cause, actor=actor, reason="an outage")
        assert entry == wallet.ledger.get(kind="refund")
        assert (entry.amount, entry.balance_after, entry.reference) == (Decimal("1.5"), Decimal("7.5"), cause)
        assert (entry.usage_record_id, entry.actor, entry.reason) == (usage_id, actor, "an outage")
        assert (now(wallet), refunded(usage_id)) == ((Decimal("7.5"), 0, 0), Decimal("1.5"))
        assert [one for one in audit() if one.wallet_id == wallet.pk] == []

    def test_it_takes_a_record_too_and_looks_at_it_again(self):
        wallet = WalletFactory(balance=10)
        stale = UsageRecord.objects.get(pk=charged(wallet, 4))
        refund(stale, credits=Decimal(3), reference=a_cause())
        assert stale.refunded_credits == 0
        assert refund(stale, credits=Decimal(3), reference=a_cause()).amount == 1

    def test_it_gives_what_is_left_and_then_nothing(self):
        wallet = WalletFactory(balance=10)
        usage_id = charged(wallet, 4)
        given = [refund(usage_id, credits=Decimal(3), reference=a_cause()) for _ in range(3)]
        assert [entry and entry.amount for entry in given] == [3, 1, None]
        assert (now(wallet)[0], refunded(usage_id)) == (10, 4)

    def test_the_same_reference_moves_nothing_again(self):
        wallet, cause = WalletFactory(balance=10), a_cause()
        usage_id = charged(wallet, 4)
        first = refund(usage_id, credits=Decimal(3), reference=cause)
        assert [refund(usage_id, credits=Decimal(credits), reference=cause) for credits in (3, 1, 100)] == [first] * 3
        refund(usage_id, credits=Decimal(1), reference=a_cause())
        assert refund(usage_id, credits=Decimal(3), reference=cause) == first, "also when nothing is left"
        assert (now(wallet)[0], refunded(usage_id)) == (10, 4)

    def test_a_reference_of_anything_else_is_refused(self):
        wallet, cause = WalletFactory(balance=10), a_cause()
        one, other = charged(wallet, 4), charged(wallet, 4)
        refund(one, credits=Decimal(1), reference=cause)
        for taken in (cause, f"charge:{other}"):
            with pytest.raises(ledger.ReferenceTakenError):
                refund(other, credits=Decimal(1), reference=taken)
        assert (now(wallet)[0], refunded(other)) == (3, 0)

    def test_what_was_not_charged_gives_nothing(self):
        wallet = WalletFactory(balance=10)
        running, released = hold(wallet, 1), hold(wallet, 1)
        holds.place([running, released])
        holds.release([giving_back(released)])
        for usage_id in (running.usage_id, released.usage_id, charged(wallet, 0)):
            assert refund(usage_id, credits=Decimal(1), reference=a_cause()) is None
        assert not wallet.ledger.filter(kind="refund").exists()

    @pytest.mark.parametrize("credits", ["0", "-1", "0.00001", "NaN", "Infinity"])
    def test_what_is_no_amount_is_a_mistake(self, credits):
        usage_id = charged(WalletFactory(balance=10), 4)
        with pytest.raises(ValueError, match="no refund"):
            refund(usage_id, credits=Decimal(credits), reference=a_cause())

    def test_an_unknown_record_is_said_to_be_one(self):
        with pytest.raises(UsageRecord.DoesNotExist):
            refund(new_id(), credits=Decimal(1), reference=a_cause())

    def test_it_is_undone_with_its_callers_transaction(self):
        wallet = WalletFactory(balance=10)
        usage_id = charged(wallet, 4)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            refund(usage_id, credits=Decimal(4), reference=a_cause())
            raise ZeroDivisionError
        assert (now(wallet)[0], refunded(usage_id), wallet.ledger.filter(kind="refund").count()) == (6, 0, 0)


def at_once(*works):
    """Each in a thread and on a connection of its own, started together."""
    start = threading.Barrier(len(works))

    def one(work):
        start.wait()
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


@pytest.mark.usefixtures("clean_books")
class TestRaces:
    def test_refunds_of_one_call_together_give_its_charge(self):
        wallet = WalletFactory(balance=10)
        usage_id = charged(wallet, 4)
        entries = at_once(*(lambda: refund(usage_id, credits=Decimal(3), reference=a_cause()) for _ in range(6)))
        assert Counter(entry and entry.amount for entry in entries) == {Decimal(3): 1, Decimal(1): 1, None: 4}
        assert (now(wallet)[0], refunded(usage_id)) == (10, 4)

    def test_one_cause_at_once_is_one_entry(self):
        wallet, cause = WalletFactory(balance=10), a_cause()
        usage_id = charged(wallet, 4)
        entries = at_once(*(lambda: refund(usage_id, credits=Decimal(1), reference=cause) for _ in range(6)))
        assert len({entry.pk for entry in entries}) == 1
        assert (now(wallet)[0], refunded(usage_id)) == (7, 1)

    def test_refunds_and_charges_of_one_wallet_together(self):
        wallet = WalletFactory(balance=100)
        usage_ids = [charged(wallet, 5) for _ in range(6)]
        at_once(
            *(lambda usage_id=usage_id: refund(usage_id, credits=Decimal(5), reference=a_cause()) for usage_id in usage_ids),
            *(lambda: charged(wallet, 2) for _ in range(6)),
        )
        assert now(wallet) == (88, 0, 0)
        assert LedgerEntry.objects.filter(wallet=wallet).count() == 1 + 6 + 6 + 6

    def test_a_wallet_that_stays_locked_is_not_waited_for_without_end(self, connect):
        wallet = WalletFactory(balance=10)
        usage_id = charged(wallet, 4)
        other = connect()
        with other.transaction():
            other.execute("select from wallets_wallet where id = %s for update", [wallet.pk])
            with pytest.raises(OperationalError):
                refund(usage_id, credits=Decimal(4), reference=a_cause())
        assert (now(wallet)[0], refunded(usage_id)) == (6, 0)
