"""The audit finds every kind of difference, and nothing else."""

from decimal import Decimal

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold
from wallets import budgets, holds
from wallets.audit import CHECKS, audit
from wallets.audit_runs import audit_task
from wallets.holds import Reservation
from wallets.models import AuditRun, LedgerEntry, UsageRecord, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet():
    """A wallet with a bit of everything: 20 in, 3 charged, a release, 4 held by a call in flight, all with a key that has caps."""
    wallet = WalletFactory(balance=20)
    charged, released, running = (
        hold(wallet, credits, usage_id=f"chatcmpl_{wallet.pk}_{name}", reservation=Reservation(name, "body"), key_id=wallet.pk)
        for name, credits in {"charged": 5, "released": 5, "open": 4}.items()
    )
    calls = [charged, released]
    budgets.set_caps(wallet, key_id=wallet.pk, limits={"day": Decimal(30), "total": Decimal(100)}, actor=None)
    holds.place([*calls, running])
    holds.settle([charge(calls[0], 3, answer=b"sealed")])
    holds.release([giving_back(calls[1])])
    return wallet


def found(wallet):
    return {difference.check for difference in audit() if difference.wallet_id == wallet.pk}


def plant(text, wallet):
    """Change the books behind every guard's back."""
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(text.format(wallet=wallet.pk, **{name: f"chatcmpl_{wallet.pk}_{name}" for name in ("charged", "released", "open")}))
        assert cursor.rowcount == 1
        cursor.execute("set local session_replication_role = origin")


CHARGE = "where reference = 'charge:{charged}'"
RECORD = "where id = '{charged}'"
PLANTED = {
    "update wallets_wallet set balance = balance + 0.0001 where id = {wallet}": {"balance is the sum of the entries"},
    "update wallets_wallet set entries = entries + 1 where id = {wallet}": {"entries are counted"},
    "update wallets_wallet set held = held - 0.0001 where id = {wallet}": {"held is the sum of the open holds"},
    "update wallets_wallet set in_flight = in_flight + 1 where id = {wallet}": {"calls in flight are counted"},
    "update wallets_usagerecord set status = 'released', closed_at = now() where status = 'open' and wallet_id = {wallet}": {
        "held is the sum of the open holds",
        "calls in flight are counted",
        "an idempotency key has its call",
        "a cap's held is the sum of its open holds",
    },
    f"update wallets_ledgerentry set seq = 7 {CHARGE}": {"seq has no gap"},
    f"update wallets_ledgerentry set balance_after = balance_after + 1 {CHARGE}": {"balance_after follows"},
    f"update wallets_ledgerentry set amount = -3.0001 {CHARGE}": {
        "balance is the sum of the entries",
        "balance_after follows",
        "a charged record has its entry",
    },
    f"delete from wallets_ledgerentry {CHARGE}": {
        "balance is the sum of the entries",
        "entries are counted",
        "a charged record has its entry",
    },
    f"update wallets_ledgerentry set reference = 'charge:other:{{wallet}}' {CHARGE}": {
        "a charged record has its entry",
        "a charge entry has its charged record",
    },
    f"update wallets_ledgerentry set usage_record_id = '{{released}}' {CHARGE}": {
        "a charged record has its entry",
        "a charge entry has its charged record",
    },
    "insert into wallets_ledgerentry (wallet_id, seq, kind, amount, balance_after, reference, usage_record_id, created_at)"
    " values ({wallet}, 3, 'charge', 0, 17, 'charge:{released}', '{released}', now())": {
        "entries are counted",
        "a charge entry has its charged record",
    },
    f"update wallets_usagerecord set credits_per_litellm_usd = null {RECORD}": {"a charge has its price"},
    f"update wallets_usagerecord set cost_usd = cost_usd + 0.0000001 {RECORD}": {"a chat's charge is cost x markup"},
    f"update wallets_usagerecord set clause = 'empty' {RECORD}": {"a chat's charge is cost x markup"},
    f"""update wallets_usagerecord set cost_lines = '[{{{{"usd": "0.002"}}}}, {{{{"usd": "0.0009"}}}}]' {RECORD}""": {
        "the cost is the sum of its lines"
    },
    f"update wallets_usagerecord set credits_usd_reference = 0.0031 {RECORD}": {"the USD reference is credits / rate"},
    "update wallets_idempotencykey set answer = null where usage_id = '{charged}'": {"an idempotency key has its call"},
    "update wallets_idempotencykey set usage_id = '{released}' where usage_id = '{charged}'": {"an idempotency key has its call"},
    "update wallets_idempotencykey set answer = 'x' where usage_id = '{open}'": {"an idempotency key has its call"},
    f"update wallets_usagerecord set refunded_credits = 1 {RECORD}": {
        "refunds are the sum of their entries",
        "a cap's spent is what its calls cost",
    },
    "insert into wallets_ledgerentry (wallet_id, seq, kind, amount, balance_after, reference, usage_record_id, created_at)"
    " values ({wallet}, 3, 'refund', 1, 18, 'refund:{charged}', '{charged}', now())": {
        "balance is the sum of the entries",
        "entries are counted",
        "refunds are the sum of their entries",
    },
    "update wallets_cap set spent = spent + 0.0001 where \"window\" = 'day' and wallet_id = {wallet}": {
        "a cap's spent is what its calls cost"
    },
    "update wallets_cap set held = 0 where \"window\" = 'total' and wallet_id = {wallet}": {"a cap's held is the sum of its open holds"},
    "update wallets_cap set period = clock_timestamp() where \"window\" = 'day' and wallet_id = {wallet}": {
        "a cap's spent is what its calls cost",
        "a cap's held is the sum of its open holds",
    },
    "delete from wallets_budgetkey where key_id = {wallet}": {
        "a cap's spent is what its calls cost",
        "a cap's held is the sum of its open holds",
    },
}


def test_right_books_have_no_difference(wallet):
    assert found(wallet) == set()


@pytest.mark.parametrize("text", PLANTED)
def test_it_finds(text, wallet):
    plant(text, wallet)
    assert found(wallet) == PLANTED[text]


def test_every_check_has_been_seen_to_find_something():
    assert set().union(*PLANTED.values()) == set(CHECKS)


def test_a_difference_says_where_and_how_much(wallet):
    plant("update wallets_wallet set balance = 18 where id = {wallet}", wallet)
    (difference,) = [one for one in audit() if one.wallet_id == wallet.pk]
    assert str(difference) == f"balance is the sum of the entries: wallet {wallet.pk}, wallet: expected 17.0000, found 18.0000"


def test_the_command_ends_badly_on_a_difference(wallet, capsys):
    call_command("audit_wallets")
    assert "no difference" in capsys.readouterr().out
    plant("update wallets_wallet set balance = 18 where id = {wallet}", wallet)
    with pytest.raises(CommandError, match="1 difference"):
        call_command("audit_wallets")
    assert f"wallet {wallet.pk}" in capsys.readouterr().out


def test_every_run_leaves_word_and_the_newest_hundred_stay(wallet, caplog):
    AuditRun.objects.bulk_create(AuditRun(wallets=0, entries=0, usage_records=0, differences=0) for _ in range(105))
    audit_task()
    run = AuditRun.objects.latest("id")
    assert (run.wallets, run.entries, run.differences) == (Wallet.objects.count(), LedgerEntry.objects.count(), 0)
    assert run.usage_records == UsageRecord.objects.count()
    plant("update wallets_wallet set balance = 18 where id = {wallet}", wallet)
    audit_task()
    assert AuditRun.objects.latest("id").differences == 1
    assert AuditRun.objects.count() == 100
    assert "the books differ" in caplog.text


def test_beat_runs_it_by_name_once_an_hour():
    (entry,) = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == audit_task.name]
    assert entry["schedule"].minute == {7}
    assert entry["schedule"].hour == set(range(24))
    assert audit_task.__module__ in settings.CELERY_IMPORTS


def test_money_that_moves_during_the_audit_is_no_difference(connect, clean_books, monkeypatch):
    """All checks look at one moment: a charge between two of them is not seen."""
    wallet = WalletFactory(balance=Decimal(10))
    moved = []

    def checks():
        for number, check in enumerate(CHECKS.items()):
            if number == 1:
                other = connect()
                other.execute("update wallets_wallet set balance = balance + 1 where id = %s", [wallet.pk])
                moved.append(other)
            yield check

    class Slow(dict):
        items = staticmethod(checks)

    monkeypatch.setattr("wallets.audit.CHECKS", Slow())
    assert audit() == []
    moved[0].execute("update wallets_wallet set balance = balance - 1 where id = %s", [wallet.pk])
