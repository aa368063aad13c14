"""The audit finds every kind of difference, and nothing else."""

from decimal import Decimal

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from tests.factories import StaffFactory, WalletFactory
from tests.topups.told import pending
from tests.wallets.calls import charge, giving_back, hold
from wallets import budgets, holds
from wallets.audit import CHECKS, audit
from wallets.audit_runs import audit_task
from wallets.holds import Reservation
from wallets.models import AuditRun, LedgerEntry, UsageRecord, Wallet
from wallets.top_ups import take_backs, topups
from wallets.vouchers import vouchers

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet():
    """A wallet with a bit of everything: 20 in, 5 of them by a voucher, 3 charged, a release, a top-up, 4 held by a call in flight; the
    calls are of a key that has caps."""
    wallet = WalletFactory(balance=15)
    made = vouchers.make(credits=Decimal(5), codes=1, uses=2, expires_at=None, note="a test's", actor=StaffFactory())
    vouchers.redeem(wallet.account, code=made.codes[0], actor=wallet.account.user)
    top_up(wallet)
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


def top_up(wallet):
    """10 credits for 10 USD, of which 4 were given back, 3 are disputed, and 2 were until that was won."""
    bought = pending(wallet, id=f"top_{wallet.pk}", amount_usd="10.00", credits=10, credits_per_usd_rate=1)
    topups.credit(bought)
    take_backs.refund(bought, refunded_usd=Decimal(4))
    take_backs.dispute(bought, dispute_id="du_open", amount_usd=Decimal(3))
    take_backs.dispute(bought, dispute_id="du_won", amount_usd=Decimal(2))
    take_backs.close_dispute(bought, dispute_id="du_won", amount_usd=Decimal(2), won=True)


def found(wallet):
    return {difference.check for difference in audit() if difference.wallet_id == wallet.pk}


def plant(text, wallet):
    """Change the books behind every guard's back."""
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute("set local session_replication_role = replica")
        calls = {name: f"chatcmpl_{wallet.pk}_{name}" for name in ("charged", "released", "open")}
        cursor.execute(text.format(wallet=wallet.pk, top_up=f"top_{wallet.pk}", **calls))
        assert cursor.rowcount == 1
        cursor.execute("set local session_replication_role = origin")


VOUCHER = "where kind = 'voucher' and wallet_id = {wallet}"
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
    f"update wallets_ledgerentry set seq = 9 {CHARGE}": {"seq has no gap"},
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
    " values ({wallet}, 9, 'charge', 0, 20, 'charge:{released}', '{released}', now())": {
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
    "update wallets_idempotencykey set usage_id = null where usage_id = '{open}'": {"an idempotency key without a call has its answer"},
    f"update wallets_usagerecord set refunded_credits = 1 {RECORD}": {
        "refunds are the sum of their entries",
        "a cap's spent is what its calls cost",
    },
    "insert into wallets_ledgerentry (wallet_id, seq, kind, amount, balance_after, reference, usage_record_id, created_at)"
    " values ({wallet}, 9, 'refund', 1, 21, 'refund:{charged}', '{charged}', now())": {
        "balance is the sum of the entries",
        "entries are counted",
        "refunds are the sum of their entries",
    },
    f"update wallets_voucher set used = 2 where id = (select split_part(reference, ':', 2)::bigint from wallets_ledgerentry {VOUCHER})": {
        "a voucher's uses are its entries"
    },
    f"update wallets_ledgerentry set reference = reference || '1' {VOUCHER}": {"a voucher's entry gives what it is worth"},
    f"update wallets_ledgerentry set amount = 5.0001 {VOUCHER}": {
        "balance is the sum of the entries",
        "balance_after follows",
        "a voucher's entry gives what it is worth",
    },
    "update wallets_topup set credits = 10.5 where id = '{top_up}'": {"a paid top-up has its entry", "refunds took their share"},
    "update wallets_ledgerentry set reference = 'topup:none:{wallet}' where reference = 'topup:{top_up}'": {
        "a paid top-up has its entry",
        "a top-up entry has its top-up",
    },
    "update wallets_topup set refunded_credits = 3.9999 where id = '{top_up}'": {
        "what refunds took is the sum of their entries",
        "refunds took their share",
    },
    "update wallets_topup set refunded_usd = 5 where id = '{top_up}'": {"refunds took their share"},
    "update wallets_topup set disputed_credits = 2 where id = '{top_up}'": {
        "what disputes took is the sum of their entries",
        "what disputes took is the sum of the disputes",
    },
    "update wallets_dispute set status = 'won', closed_at = now() where dispute_id = 'du_open' and top_up_id = '{top_up}'": {
        "what disputes took is the sum of the disputes"
    },
    "update wallets_ledgerentry set reference = 'dispute:other:{wallet}' where reference = 'dispute:{top_up}:du_open'": {
        "what disputes took is the sum of their entries",
        "a top-up entry has its top-up",
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
    plant("update wallets_wallet set balance = 21 where id = {wallet}", wallet)
    (difference,) = [one for one in audit() if one.wallet_id == wallet.pk]
    assert str(difference) == f"balance is the sum of the entries: wallet {wallet.pk}, wallet: expected 20.0000, found 21.0000"


def test_the_command_ends_badly_on_a_difference(wallet, capsys):
    call_command("audit_wallets")
    assert "no difference" in capsys.readouterr().out
    plant("update wallets_wallet set balance = 21 where id = {wallet}", wallet)
    with pytest.raises(CommandError, match="1 difference"):
        call_command("audit_wallets")
    assert f"wallet {wallet.pk}" in capsys.readouterr().out


def test_every_run_leaves_word_and_the_newest_hundred_stay(wallet, caplog):
    AuditRun.objects.bulk_create(AuditRun(wallets=0, entries=0, usage_records=0, differences=0) for _ in range(105))
    audit_task()
    run = AuditRun.objects.latest("id")
    assert (run.wallets, run.entries, run.differences) == (Wallet.objects.count(), LedgerEntry.objects.count(), 0)
    assert run.usage_records == UsageRecord.objects.count()
    plant("update wallets_wallet set balance = 21 where id = {wallet}", wallet)
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
