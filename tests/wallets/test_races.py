"""Eight connections at once: nothing is overdrawn, nothing is counted twice, each call ends one way."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import psycopg
import pytest
from django.db import connection as django_connection

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, now
from wallets import statements
from wallets.batch import Statement
from wallets.models import LedgerEntry, UsageRecord
from wallets.sweeper import sweep

pytestmark = pytest.mark.usefixtures("clean_books")
CONNECTIONS = 8


def ask(connection: psycopg.Connection, statement: Statement, rows: list) -> list[str]:
    """The rows' verdicts, in order; asked again while a row is told to or a deadlock ends the statement."""
    answers: dict[int, str] = {}
    while left := [index for index in range(len(rows)) if index not in answers]:
        try:
            found = connection.execute(statement.text, statement.parameters([rows[index] for index in left])).fetchall()
        except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
            continue
        answers |= {index: row[1] for index, row in zip(left, found, strict=True) if row[1] != "again"}
    return [answers[index] for index in range(len(rows))]


def at_once(connect: Callable[[], psycopg.Connection], work: Callable[[psycopg.Connection, random.Random], Counter]) -> Counter:
    """`work` on eight connections, started together; the sum of what each counted."""
    connections = [connect() for _ in range(CONNECTIONS)]
    start = threading.Barrier(CONNECTIONS)

    def one(number: int) -> Counter:
        start.wait()
        return work(connections[number], random.Random(number))

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(one, range(CONNECTIONS)), Counter())


def test_a_wallet_for_a_thousand_holds_exactly_a_thousand(connect):
    wallet = WalletFactory(balance=1000, max_in_flight=5000)

    def work(connection, rng):
        counted: Counter = Counter()
        placed = 0
        while placed < 250:
            size = rng.randint(1, 32)
            counted.update(ask(connection, statements.PLACE, [hold(wallet, 1) for _ in range(size)]))
            placed += size
        return counted

    counted = at_once(connect, work)
    assert counted["held"] == 1000
    assert set(counted) == {"held", "busy"}
    assert now(wallet) == (1000, 1000, 1000)


def test_calls_in_flight_never_exceed_their_limit(connect):
    wallet = WalletFactory(balance=1000, max_in_flight=64)
    counted = at_once(connect, lambda connection, rng: Counter(ask(connection, statements.PLACE, [hold(wallet, 1) for _ in range(20)])))
    assert counted == {"held": 64, "too_many": 96}
    assert now(wallet) == (1000, 64, 64)


def test_whole_calls_race_over_several_wallets(connect):
    """Holds, charges up to the hold, and releases, in mixed batches: no balance is ever below zero, and nothing stays held."""
    wallets = [WalletFactory(balance=50) for _ in range(3)]

    def work(connection, rng):
        counted: Counter = Counter()
        for _ in range(12):
            batch = [hold(rng.choice(wallets), Decimal(rng.randint(1, 80_000)).scaleb(-4)) for _ in range(rng.randint(1, 8))]
            held = [one for one, kind in zip(batch, ask(connection, statements.PLACE, batch), strict=True) if kind == "held"]
            rng.shuffle(held)
            middle = len(held) * 3 // 4
            charges = [charge(one, Decimal(rng.randint(0, int(one.credits * 10_000))).scaleb(-4)) for one in held[:middle]]
            if charges:
                counted.update(ask(connection, statements.SETTLE, charges + charges[:1]))
            if held[middle:]:
                counted.update(ask(connection, statements.RELEASE, [giving_back(one) for one in held[middle:]]))
        return counted

    counted = at_once(connect, work)
    assert set(counted) == {"charged", "released"}
    for wallet in wallets:
        balance, held, in_flight = now(wallet)
        assert (held, in_flight) == (0, 0)
        assert balance >= 0
        assert LedgerEntry.objects.filter(wallet=wallet, balance_after__lt=0).count() == 0


def test_the_same_hold_placed_by_all_at_once_is_held_once(connect):
    wallet = WalletFactory(balance=10)
    held = hold(wallet, 6)

    def work(connection, rng):
        while True:
            try:
                return Counter(ask(connection, statements.PLACE, [held]))
            except psycopg.errors.UniqueViolation:
                continue

    assert at_once(connect, work) == {"held": CONNECTIONS}
    assert now(wallet) == (10, 6, 1)


def test_the_same_charge_settled_by_all_at_once_is_charged_once(connect):
    wallet = WalletFactory(balance=10)
    held = hold(wallet, 6)
    ask(connect(), statements.PLACE, [held])
    assert at_once(connect, lambda connection, rng: Counter(ask(connection, statements.SETTLE, [charge(held, 5)]))) == {
        "charged": CONNECTIONS
    }
    assert now(wallet) == (5, 0, 0)


def test_a_charge_and_the_sweep_end_each_call_one_way(connect):
    """Six connections charge while two sweepers run: what was answered `charged` is charged, the rest is lost, and all of it ends."""
    wallets = [WalletFactory(balance=1000, max_in_flight=1000) for _ in range(4)]
    open_calls = [hold(wallets[index % 4], 1, process_id="gone") for index in range(240)]
    connection = connect()
    ask(connection, statements.PLACE, open_calls)
    connection.execute("insert into wallets_process (id, seen_at) values ('gone', now() - interval '1 hour') on conflict do nothing")
    start = threading.Barrier(CONNECTIONS)

    def settle(number: int) -> dict[str, str]:
        own = connect()
        mine = open_calls[number::6]
        start.wait()
        answers = {}
        for index in range(0, len(mine), 4):
            few = mine[index : index + 4]
            answers |= dict(zip((one.usage_id for one in few), ask(own, statements.SETTLE, [charge(one, 1) for one in few]), strict=True))
        return answers

    def sweeper() -> dict[str, str]:
        start.wait()
        for _ in range(4):
            sweep(gone_seconds=0.2)
        django_connection.close()
        return {}

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        work = [pool.submit(settle, number) for number in range(6)] + [pool.submit(sweeper) for _ in range(2)]
        answers = {usage_id: kind for one in work for usage_id, kind in one.result().items()}
    sweep(gone_seconds=0.2)

    ended = dict(UsageRecord.objects.filter(wallet__in=wallets).values_list("id", "status"))
    assert len(ended) == 240
    assert ended == {usage_id: {"charged": "charged", "closed": "released"}[kind] for usage_id, kind in answers.items()}
    charged = Counter(ended.values())["charged"]
    assert sum(now(wallet)[0] for wallet in wallets) == 4000 - charged
    assert [now(wallet)[1:] for wallet in wallets] == [(0, 0)] * 4
