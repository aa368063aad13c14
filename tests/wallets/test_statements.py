"""Place, settle, release: each verdict, and that the same question asked again moves nothing."""

from decimal import Decimal

import psycopg
import pytest
from django.db import IntegrityError, OperationalError

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, moving, new_id, now
from wallets import holds, pool, statements
from wallets.batch import Statement
from wallets.holds import Hold, Release, Settlement
from wallets.models import LedgerEntry, UsageRecord, Wallet


def kinds(answers):
    return [answer.kind for answer in answers]


@pytest.mark.django_db
class TestPlace:
    def test_a_batch_is_judged_one_after_another(self):
        wallet = WalletFactory(balance=10)
        assert kinds(holds.place([hold(wallet, 8), hold(wallet, 5), hold(wallet, 2)])) == ["held", "busy", "held"]
        assert now(wallet) == (10, 10, 2)

    def test_a_hold_above_the_balance_is_insufficient_and_takes_nobodys_place(self):
        wallet = WalletFactory(balance=10)
        assert kinds(holds.place([hold(wallet, 11), hold(wallet, 10), hold(wallet, "0.0001")])) == ["insufficient", "held", "busy"]

    def test_the_last_credit_can_be_held(self):
        wallet = WalletFactory(balance="0.0003")
        assert kinds(holds.place([hold(wallet, "0.0001") for _ in range(4)])) == ["held"] * 3 + ["busy"]

    def test_calls_in_flight_are_limited(self):
        wallet = WalletFactory(balance=10, max_in_flight=2)
        answers = holds.place([hold(wallet, 1), hold(wallet, 11), hold(wallet, 1), hold(wallet, 1), hold(wallet, 9)])
        assert kinds(answers) == ["held", "insufficient", "held", "too_many", "busy"]
        assert answers[3] == holds.Verdict("too_many", Decimal(10), Decimal(2), 2)
        assert answers[3].available_credits == 8

    def test_a_wallet_that_is_not_there_is_said_so_and_harms_nobody(self):
        wallet = WalletFactory(balance=10)
        assert kinds(holds.place([hold(2**40, 1), hold(wallet, 1)])) == ["unknown_wallet", "held"]

    def test_wallets_do_not_mix(self):
        one, other = WalletFactory(balance=5), WalletFactory(balance=3)
        assert kinds(holds.place([hold(one, 4), hold(other, 4), hold(other, 3), hold(one, 1)])) == ["held", "insufficient", "held", "held"]
        assert (now(one), now(other)) == ((5, 5, 2), (3, 3, 1))

    def test_the_same_id_again_is_the_same_verdict(self):
        wallet = WalletFactory(balance=10)
        held = hold(wallet, 8)
        assert kinds(holds.place([held, held])) == ["held", "held"]
        assert kinds(holds.place([held])) == ["held"]
        assert now(wallet) == (10, 8, 1)

    def test_the_same_id_for_another_wallet_is_an_error(self):
        one, other = WalletFactory(balance=10), WalletFactory(balance=10)
        held = hold(one, 1)
        holds.place([held])
        with pytest.raises(IntegrityError):
            holds.place([hold(other, 1, usage_id=held.usage_id)])

    @pytest.mark.parametrize("amount", ["-0.0001", "0.00001", "NaN", "Infinity"])
    def test_what_is_no_amount_is_refused_before_it_travels(self, amount):
        with pytest.raises(ValueError, match="no hold"):
            hold(1, amount)
        with pytest.raises(ValueError, match="no charge"):
            charge(hold(1, 1), amount, cost_usd=Decimal(0))

    def test_text_arrives_as_it_was_and_labels_are_cut(self):
        wallet = WalletFactory(balance=10)
        texts = {"key_name": 'it\'s {a}, "b" \\ NULL, ü\n', "request_id": "", "metadata": {"a": "{}'\"\\", "ü": ""}, "route": "r" * 999}
        held = hold(wallet, 1, **texts)
        holds.place([held, hold(wallet, 1)])
        record = UsageRecord.objects.get(pk=held.usage_id)
        assert (record.key_name, record.request_id, record.metadata) == (texts["key_name"], "", texts["metadata"])
        assert record.route == "r" * 200
        assert (record.key_id, record.status, record.charged_credits, record.attempts) == (None, "open", 0, [])


@pytest.mark.django_db
class TestSettle:
    def test_a_batch_of_charges_follows_one_another_in_the_ledger(self):
        wallet = WalletFactory(balance=10)
        held = [hold(wallet, 3) for _ in range(3)]
        holds.place(held)
        answers = holds.settle([charge(one, credits) for one, credits in zip(held, (3, "0.5", 0), strict=True)])
        assert [answer.balance for answer in answers] == [7, Decimal("6.5"), Decimal("6.5")]
        entries = wallet.ledger.filter(kind="charge").order_by("seq")
        assert [(entry.seq, entry.amount, entry.balance_after) for entry in entries] == [
            (2, -3, 7),
            (3, Decimal("-0.5"), Decimal("6.5")),
            (4, 0, Decimal("6.5")),
        ]
        assert now(wallet) == (Decimal("6.5"), 0, 0)
        assert Wallet.objects.get(pk=wallet.pk).entries == 4

    def test_the_same_charge_again_is_answered_alike_and_moves_nothing(self):
        wallet = WalletFactory(balance=10)
        held = hold(wallet, 3)
        holds.place([held])
        first, within = holds.settle([charge(held, 2), charge(held, 2)])
        again = holds.settle([charge(held, 2)])[0]
        assert first == within == again == holds.Settled("charged", Decimal("0.0020"), Decimal(1000), Decimal(8))
        assert wallet.ledger.filter(kind="charge").count() == 1

    def test_another_charge_of_the_same_call_is_closed(self):
        wallet = WalletFactory(balance=10)
        held = hold(wallet, 3)
        holds.place([held])
        assert kinds(holds.settle([charge(held, 2), charge(held, 1)])) == ["charged", "closed"]
        assert kinds(holds.settle([charge(held, 3)])) == ["closed"]
        assert now(wallet) == (8, 0, 0)

    def test_a_released_call_can_not_be_charged(self):
        wallet = WalletFactory(balance=10)
        held, other = hold(wallet, 3), hold(wallet, 3)
        holds.place([held, other])
        holds.release([giving_back(held)])
        assert kinds(holds.settle([charge(held, 2), charge(other, 1)])) == ["closed", "charged"]
        assert now(wallet) == (9, 0, 0)
        assert not LedgerEntry.objects.filter(reference=f"charge:{held.usage_id}").exists()

    def test_a_call_that_was_never_held_can_not_be_charged(self):
        wallet = WalletFactory(balance=10)
        assert kinds(holds.settle([charge(hold(wallet, 1), 1), charge(hold(2**40, 1), 1)])) == ["closed", "closed"]
        assert now(wallet) == (10, 0, 0)

    def test_a_charge_may_exceed_its_hold(self):
        wallet = WalletFactory(balance=10)
        held = hold(wallet, 10)
        holds.place([held])
        assert holds.settle([charge(held, "10.0001")])[0].balance == Decimal("-0.0001")

    def test_the_receipt_says_what_answered(self):
        wallet = WalletFactory(balance=10)
        held, moved = hold(wallet, 1, model="a", route="a1"), hold(wallet, 1, model="a", route="a1")
        holds.place([held, moved])
        holds.settle([charge(held, 1), charge(moved, 1, model="b", route="b1", estimated=True, alert="tokens missing")])
        records = [UsageRecord.objects.get(pk=one.usage_id) for one in (held, moved)]
        assert [(record.model, record.route, record.estimated, record.alert) for record in records] == [
            ("a", "a1", False, ""),
            ("b", "b1", True, "tokens missing"),
        ]


@pytest.mark.django_db
class TestRelease:
    def test_it_gives_back_the_hold_and_says_why(self):
        wallet = WalletFactory(balance=10)
        held = hold(wallet, 3)
        holds.place([held])
        attempts = [{"route": "a", "outcome": "upstream_error"}]
        answer = giving_back(held, error_code="upstream_error", attempts=attempts, absorbed_cost_usd=Decimal("0.001"), latency_ms=12)
        assert kinds(holds.release([answer])) == ["released"]
        assert now(wallet) == (10, 0, 0)
        record = UsageRecord.objects.get(pk=held.usage_id)
        assert (record.status, record.clause, record.error_code, record.charged_credits) == (
            "released",
            "upstream_failed",
            "upstream_error",
            0,
        )
        assert (record.attempts, record.absorbed_cost_usd, record.latency_ms) == (attempts, Decimal("0.001"), 12)
        assert record.closed_at is not None
        assert wallet.ledger.count() == 1

    def test_again_is_harmless(self):
        wallet = WalletFactory(balance=10)
        held, charged = hold(wallet, 3), hold(wallet, 1)
        holds.place([held, charged])
        holds.settle([charge(charged, 1)])
        ends = [giving_back(held), giving_back(held), giving_back(charged), giving_back(hold(wallet, 1)), giving_back(hold(2**40, 1))]
        assert kinds(holds.release(ends)) == ["released", "released", "closed", "closed", "closed"]
        assert kinds(holds.release(ends)) == ["released", "released", "closed", "closed", "closed"]
        assert now(wallet) == (9, 0, 0)

    def test_what_is_given_back_can_be_held_again(self):
        wallet = WalletFactory(balance=10)
        first = hold(wallet, 10)
        assert kinds(holds.place([first, hold(wallet, 1)])) == ["held", "busy"]
        holds.release([giving_back(first)])
        assert kinds(holds.place([hold(wallet, 10)])) == ["held"]


def run(connection: psycopg.Connection, statement: Statement, rows: list[Hold | Settlement | Release]) -> list[str]:
    return [row[1] for row in connection.execute(statement.text, statement.parameters(rows)).fetchall()]


def test_a_busy_wallet_stalls_nobody_when_locked_rows_are_skipped(connect, clean_books):
    busy, free = WalletFactory(balance=10), WalletFactory(balance=10)
    waiting, passing = hold(busy, 1), hold(free, 1)
    holds.place([waiting, passing])
    first, second = connect(), connect()
    second.execute("set lock_timeout = '5s'")
    with first.transaction():
        first.execute("select from wallets_wallet where id = %s for update", [busy.pk])
        ends = [giving_back(waiting), giving_back(passing), giving_back(hold(2**40, 1))]
        assert run(second, statements.RELEASE_SKIP_LOCKED, ends) == ["locked", "released", "closed"]
        assert kinds(holds.release(ends, skip_locked=True)) == ["locked", "released", "closed"]
    assert kinds(holds.release(ends, skip_locked=True)) == ["released", "released", "closed"]


def test_a_lock_that_does_not_end_is_an_operational_error(connect, monkeypatch):
    monkeypatch.setattr(holds, "LOCK_TIMEOUT", "20ms")
    wallet = WalletFactory(balance=10)
    other = connect()
    with other.transaction():
        other.execute("select from wallets_wallet where id = %s for update", [wallet.pk])
        with pytest.raises(OperationalError):
            holds.place([hold(wallet, 1)])
    assert kinds(holds.place([hold(wallet, 1, usage_id=new_id())])) == ["held"]


def test_a_server_that_hung_up_is_asked_again(connect, clean_books):
    from django.db import connection

    wallet = WalletFactory(balance=10)
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        connect().execute("select pg_terminate_backend(%s)", cursor.fetchone())
    assert kinds(holds.place([hold(wallet, 1)])) == ["held"]
    assert now(wallet) == (10, 1, 1)


def test_records_are_found_by_their_key_however_many_are_open(connect):
    """Neither the whole table nor the index of all open records is read, whatever the planner believes of a table that was just made."""
    connection = connect()
    for name, value in pool.SERVER_SETTINGS.items():
        connection.execute("select set_config(%s, %s, false)", [name, value])
    held = hold(1, 1)
    rows = {
        statements.PLACE: held,
        statements.MOVE: moving(held, 1),
        statements.SETTLE: charge(held, 1),
        statements.RELEASE: giving_back(held),
    }
    for statement, row in rows.items():
        plan = "\n".join(line for (line,) in connection.execute(f"explain {statement.text}", statement.parameters([row])))
        assert "usage_open_by_process" not in plan
        assert "Index Cond" in plan
        assert "idempotency_key_by_end" not in plan
        assert "Seq Scan on wallets_" not in plan
        assert "wallets_usagerecord_pkey" in plan, plan  # as an index or a bitmap scan
