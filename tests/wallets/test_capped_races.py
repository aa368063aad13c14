"""Spend caps under eight connections at once, and changed while statements run that began before."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal

import psycopg
import pytest
from django.db import connection as django_connection
from django.db import transaction

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, moving, now
from tests.wallets.test_races import CONNECTIONS, ask, at_once
from wallets import holds, statements
from wallets.budgets import join_budget, set_caps
from wallets.models import Cap

pytestmark = pytest.mark.usefixtures("clean_books")
WINDOWS = ("day", "week", "month", "total")


def cap(wallet, **limits):
    given = {window: None if limit is None else Decimal(limit) for window, limit in limits.items()}
    set_caps(wallet, key_id=wallet.pk, limits=given, actor=None)


def counters(wallet):
    return set(Cap.objects.filter(wallet=wallet).values_list("spent", "held"))


def test_a_cap_for_a_hundred_holds_exactly_a_hundred(connect):
    wallet = WalletFactory(balance=1000, max_in_flight=5000)
    cap(wallet, day=100, month=150)

    def work(connection, rng):
        counted: Counter = Counter()
        for _ in range(8):
            batch = [hold(wallet, 1, key_id=wallet.pk) for _ in range(rng.randint(1, 10))] + [hold(wallet, 1)]
            counted.update(ask(connection, statements.PLACE, batch))
        return counted

    counted = at_once(connect, work)
    assert set(counted) == {"held", "cap_busy"}
    assert counted["held"] == 100 + 8 * CONNECTIONS
    assert counters(wallet) == {(0, 100)}


def test_whole_calls_race_with_changes_of_their_caps(connect):
    """Six connections hold, move, charge and release while two more set, change and remove caps, and put keys under one budget."""
    wallet = WalletFactory(balance=100_000, max_in_flight=5000)
    keys = [wallet.pk, wallet.pk + 2**40]
    join_budget(wallet, key_id=keys[1], replaces_key_id=keys[0])
    start = threading.Barrier(CONNECTIONS)
    seen: Counter = Counter()

    def call(number):
        connection = connect()
        start.wait()
        for round in range(25):
            batch = [hold(wallet, 1 + (round + index) % 3, key_id=keys[index % 2]) for index in range(6)]
            kinds = ask(connection, statements.PLACE, batch)
            seen.update(kinds)
            held = [one for one, kind in zip(batch, kinds, strict=True) if kind == "held"]
            if held:
                seen.update(ask(connection, statements.MOVE, [moving(held[0], 4)]))
            if held[:3]:
                ask(connection, statements.SETTLE, [charge(one, 1) for one in held[:3]])
            if held[3:]:
                ask(connection, statements.RELEASE, [giving_back(one) for one in held[3:]])

    def change(number):
        start.wait()
        for round in range(40):
            window = WINDOWS[(round + number) % 4]
            cap(wallet, **{window: [None, 5, 100_000][(round // 2) % 3]})
            join_budget(wallet, key_id=wallet.pk + 2**41 + 2 * round + number, replaces_key_id=keys[round % 2])
        django_connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        work = [pool.submit(call, number) for number in range(6)] + [pool.submit(change, number) for number in range(2)]
        for one in work:
            one.result()
    assert set(seen) <= {"held", "capped", "cap_busy"}
    assert seen["held"] > 0 < seen["capped"]
    assert now(wallet)[1:] == (0, 0)
    cap(wallet, **dict.fromkeys(WINDOWS, 100_000))
    assert {held for _, held in counters(wallet)} == {0}


@pytest.mark.parametrize("what", ["place", "move", "settle", "release"])
@pytest.mark.parametrize("change", ["first", "another", "changed", "removed"])
def test_a_statement_that_waited_for_the_wallet_goes_by_the_caps_of_now(connect, what, change):
    """It began before the caps were changed, so it can't see what is new: it says so, and the next one does."""
    wallet = WalletFactory(balance=100)
    running = hold(wallet, 4, key_id=wallet.pk)
    if change != "first":
        cap(wallet, week=50, day=50 if change in ("changed", "removed") else None)
    holds.place([running])
    statement, row = {
        "place": (statements.PLACE, hold(wallet, 3, key_id=wallet.pk)),
        "move": (statements.MOVE, moving(running, 7)),
        "settle": (statements.SETTLE, charge(running, 2)),
        "release": (statements.RELEASE, giving_back(running)),
    }[what]
    asker, watcher = connect(), connect()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            cap(wallet, day=None if change == "removed" else 5)
            answer = pool.submit(ask, asker, statement, [row])
            wait_for_a_lock(watcher, asker, answer)
        (kind,) = answer.result()
    capped = {"place": "cap_busy", "move": "capped", "settle": "charged", "release": "released"}
    free = {"place": "held", "move": "held", "settle": "charged", "release": "released"}
    assert kind == (free if change == "removed" else capped)[what]
    after = {"place": (0, 4), "move": (0, 4), "settle": (2, 0), "release": (0, 0)}
    after_free = {**after, "place": (0, 7), "move": (0, 7)}
    assert counters(wallet) == {(after_free if change == "removed" else after)[what]}


def wait_for_a_lock(watcher: psycopg.Connection, asker: psycopg.Connection, answer: Future[list[str]]) -> None:
    waiting = "select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
    while not watcher.execute(waiting, [asker.info.backend_pid]).fetchone():
        assert not answer.done(), answer.result()


def test_a_locked_wallets_new_caps_stall_nobody(connect):
    """With locked rows skipped the answer is the same: not now."""
    wallet, other = WalletFactory(balance=100), WalletFactory(balance=100)
    asker = connect()
    rows = [hold(wallet, 1, key_id=wallet.pk), hold(other, 1)]
    with transaction.atomic():
        cap(wallet, day=5)
        found = asker.execute(statements.PLACE_SKIP_LOCKED.text, statements.PLACE_SKIP_LOCKED.parameters(rows)).fetchall()
    assert [row[1] for row in found] == ["locked", "held"]
