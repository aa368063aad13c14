"""The web process's callers: many at once on few connections, and answers that are lost on their way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import Counter
from contextlib import AsyncExitStack
from decimal import Decimal

import psycopg
import pytest
from django.conf import settings
from django.db import connection as django_connection

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, now
from wallets import committer, group_commit, holds, pool, statements, strays, waiting_row
from wallets.holds import Reservation
from wallets.models import UsageRecord
from wallets.waiting_row import InDoubtError

pytestmark = pytest.mark.usefixtures("clean_books")


@contextlib.asynccontextmanager
async def committing():
    """The committer runs."""
    await committer.start()
    try:
        yield
    finally:
        await committer.stop()


def on_a_pool(work):
    """Run the coroutine function `work` with the pool open and the committer running, as a web process has them."""

    async def opened():
        await pool.open()
        try:
            async with committing():
                return await work()
        finally:
            await pool.close()

    return asyncio.run(opened())


def test_five_hundred_at_once_on_a_wallet_for_a_hundred(committed):
    wallet = WalletFactory(balance=100, max_in_flight=1000)
    calls = [hold(wallet, 1) for _ in range(500)]

    async def work():
        verdicts = await asyncio.gather(*(committer.place(one) for one in calls))
        assert Counter(verdict.kind for verdict in verdicts) == {"held": 100, "busy": 400}
        held = [one for one, verdict in zip(calls, verdicts, strict=True) if verdict.kind == "held"]
        settled = await asyncio.gather(*(committer.settle(charge(one, 1)) for one in held))
        assert Counter(answer.kind for answer in settled) == {"charged": 100}
        assert sorted(answer.balance for answer in settled) == list(range(100))
        return (await committer.place(hold(wallet, 1))).kind

    assert on_a_pool(work) == "insufficient"
    assert now(wallet) == (0, 0, 0)


def test_a_call_from_hold_to_charge_and_to_release(committed):
    wallet = WalletFactory(balance=10)
    paid, failed = hold(wallet, 3), hold(wallet, 3)

    async def work():
        assert [(await committer.place(one)).kind for one in (paid, failed)] == ["held", "held"]
        settled = await committer.settle(charge(paid, 2))
        assert (settled.kind, settled.credits_usd_reference, settled.rate, settled.balance) == ("charged", Decimal("0.0020"), 1000, 8)
        assert (await committer.release(giving_back(failed))).kind == "released"
        assert (await committer.settle(charge(failed, 2))).kind == "closed"

    on_a_pool(work)
    assert now(wallet) == (8, 0, 0)


class Wire:
    """Stands between the pool and PostgreSQL. When bytes of the client contain `word`, the server gets them, and the answer is lost.

    It happens `times` times; `lost` counts them. While it is `away`, nobody new gets through.
    If it is `mute`, the connection stays as it is, without a word.
    """

    def __init__(self) -> None:
        self.word: bytes | None = None
        self.times = 0
        self.lost = 0
        self.away = self.mute = False

    @contextlib.asynccontextmanager
    async def laid(self, monkeypatch):
        given = django_connection.settings_dict
        upstream = (given["HOST"], int(given["PORT"] or 5432))

        async def serve(reader, writer):
            if self.away:
                writer.close()
                return
            server_reader, server_writer = await asyncio.open_connection(*upstream)
            cut = asyncio.Event()

            async def to_server():
                while data := await reader.read(65536):
                    if self.word and self.word in data and self.lost < self.times:
                        self.lost += 1
                        cut.set()
                    server_writer.write(data)
                    await server_writer.drain()

            async def to_client():
                while data := await server_reader.read(65536):
                    if cut.is_set():
                        if self.mute:
                            continue
                        break
                    writer.write(data)
                    await writer.drain()

            tasks = [asyncio.create_task(to_server()), asyncio.create_task(to_client())]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                for one in (writer, server_writer):
                    one.close()

        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        monkeypatch.setitem(settings.DATABASES, "default", {**settings.DATABASES["default"], "HOST": "127.0.0.1", "PORT": str(port)})
        try:
            yield
        finally:
            listening.close()


def test_an_answer_lost_on_its_way_is_asked_for_again(committed, monkeypatch):
    """The statement committed, the connection broke before its answer came: the same answer, and nothing moved twice."""
    wallet = WalletFactory(balance=10)
    paid, failed = hold(wallet, 6), hold(wallet, 4)

    async def through_the_wire():
        wire = Wire()
        async with wire.laid(monkeypatch), committing():
            wire.word, wire.times = paid.usage_id.encode(), 2
            assert (await committer.place(paid)).kind == "held"
            wire.times = 4
            settled = await committer.settle(charge(paid, 5))
            assert (settled.kind, settled.credits_usd_reference, settled.balance) == ("charged", Decimal("0.0050"), 5)
            wire.word, wire.times = failed.usage_id.encode(), 5
            assert (await committer.place(failed)).kind == "held"
            wire.times = 6
            assert (await committer.release(giving_back(failed))).kind == "released"
            assert wire.lost == 6

    asyncio.run(through_the_wire())
    assert now(wallet) == (5, 0, 0)
    assert wallet.ledger.filter(kind="charge").count() == 1


MINE = "select pid from pg_stat_activity where application_name = 'beatra' and datname = current_database() and query like 'with r as%'"


def test_a_connection_that_dies_while_rows_wait_is_replaced(connect):
    wallet = WalletFactory(balance=10)
    locker, killer = connect(), connect()

    async def work():
        with locker.transaction():
            locker.execute("select from wallets_wallet where id = %s for update", [wallet.pk])
            placed = asyncio.create_task(committer.place(hold(wallet, 1)))
            while not (found := killer.execute(MINE).fetchone()):
                await asyncio.sleep(0.01)
            killer.execute("select pg_terminate_backend(%s)", found)
            await asyncio.sleep(0.05)
            assert not placed.done()
        return (await placed).kind

    assert on_a_pool(work) == "held"
    assert now(wallet) == (10, 1, 1)


def test_a_wallet_that_is_locked_stalls_nobody_else(connect):
    """Its own rows wait, in their order, until it is free."""
    locked, free = WalletFactory(balance=3), WalletFactory(balance=1000, max_in_flight=1000)
    locker = connect()

    async def work():
        with locker.transaction():
            locker.execute("select from wallets_wallet where id = %s for update", [locked.pk])
            waiting = [asyncio.create_task(committer.place(hold(locked, credits))) for credits in (2, 2, 1)]
            for _ in range(20):
                calls = [hold(free, 1) for _ in range(10)]
                assert {(await committer.place(one)).kind for one in calls} == {"held"}
                assert {(await committer.settle(charge(one, 1))).kind for one in calls} == {"charged"}
            assert not any(task.done() for task in waiting)
        return [(await task).kind for task in waiting]

    assert on_a_pool(work) == ["held", "busy", "held"]
    assert (now(locked), now(free)) == ((3, 3, 2), (800, 0, 0))


def test_a_row_the_database_refuses_fails_alone(committed):
    wallet = WalletFactory(balance=100, max_in_flight=100)
    good = [hold(wallet, 1) for _ in range(40)]
    # Neither is taken by PostgreSQL: a text with a NUL, a price version beyond its integer
    bad = [hold(wallet, 1, key_name="\0"), hold(wallet, 1, price_version=2**40)]

    async def work():
        rows = [*good[:7], bad[0], *good[7:30], bad[1], *good[30:]]
        answers = await asyncio.gather(*(committer.place(one) for one in rows), return_exceptions=True)
        by_row = dict(zip((one.usage_id for one in rows), answers, strict=True))
        assert {by_row[one.usage_id].kind for one in good} == {"held"}
        assert [isinstance(by_row[one.usage_id], psycopg.DataError) for one in bad] == [True, True]
        assert {(await committer.release(giving_back(one))).kind for one in good} == {"released"}

    on_a_pool(work)
    assert now(wallet) == (100, 0, 0)


def test_credits_that_a_waiting_charge_frees_can_be_held_in_the_same_moment(committed):
    """Charges and releases that wait are written before holds that wait, whichever came first."""
    wallet = WalletFactory(balance=10)
    first, second = hold(wallet, 6), hold(wallet, 4)

    async def work():
        assert [(await committer.place(one)).kind for one in (first, second)] == ["held", "held"]
        held, charged, released = await asyncio.gather(
            committer.place(hold(wallet, 9)), committer.settle(charge(first, 1)), committer.release(giving_back(second))
        )
        return held.kind, charged.kind, released.kind

    assert on_a_pool(work) == ("held", "charged", "released")
    assert now(wallet) == (9, 9, 1)


def test_more_holds_than_a_slow_database_could_place_are_refused_at_once(connect, monkeypatch):
    monkeypatch.setattr(group_commit, "MOST_WAITING", 3)
    wallet = WalletFactory(balance=10)
    locker = connect()

    async def work():
        with locker.transaction():
            locker.execute("select from wallets_wallet where id = %s for update", [wallet.pk])
            waiting = [asyncio.create_task(committer.place(hold(wallet, 1))) for _ in range(3)]
            await asyncio.sleep(0.05)
            with pytest.raises(psycopg.OperationalError, match="too many holds"):
                await committer.place(hold(wallet, 1))
        return {(await task).kind for task in waiting}

    assert on_a_pool(work) == {"held"}
    assert now(wallet) == (10, 3, 3)


def test_what_waits_is_written_before_the_process_ends(committed):
    wallet = WalletFactory(balance=10)
    one = hold(wallet, 3)

    async def work():
        await committer.place(one)
        settling = asyncio.create_task(committer.settle(charge(one, 2)))
        await asyncio.sleep(0)
        await committer.stop()
        return (await settling).kind

    assert on_a_pool(work) == "charged"
    assert now(wallet) == (8, 0, 0)


def test_a_hold_whose_caller_gives_up_is_not_left_behind(connect):
    wallet = WalletFactory(balance=10)
    locker = connect()

    async def work():
        with locker.transaction():
            locker.execute("select from wallets_wallet where id = %s for update", [wallet.pk])
            placed = asyncio.create_task(committer.place(hold(wallet, 1)))
            await asyncio.sleep(0.1)
            placed.cancel()
            await asyncio.sleep(0.05)
        other = hold(wallet, 10)
        assert (await committer.place(other)).kind == "held"
        return (await committer.release(giving_back(other))).kind

    assert on_a_pool(work) == "released"
    assert now(wallet) == (10, 0, 0)


def test_a_charge_that_may_have_been_written_is_asked_for_until_it_is_known(committed, monkeypatch):
    """Its answer was lost and the database stayed away for longer than a charge is waited for: what it did is still told."""
    monkeypatch.setattr(committer, "CLOSE_SECONDS", 0.3)
    wallet = WalletFactory(balance=10)
    one = hold(wallet, 6)

    async def work():
        wire = Wire()
        async with wire.laid(monkeypatch), committing():
            await committer.place(one)
            wire.word, wire.times = one.usage_id.encode(), 1
            wire.away = True
            settling = asyncio.create_task(committer.settle(charge(one, 5)))
            await asyncio.sleep(1)
            assert wire.lost == 1
            assert not settling.done()
            wire.away = False
            return (await settling).kind

    assert asyncio.run(work()) == "charged"
    assert now(wallet) == (5, 0, 0)


def test_a_charge_that_stays_in_doubt_is_said_to_be(committed, monkeypatch):
    monkeypatch.setattr(committer, "CLOSE_SECONDS", 0.2)
    monkeypatch.setattr(waiting_row, "DOUBT_SECONDS", 0.2)
    wallet = WalletFactory(balance=10)
    one, unsent = hold(wallet, 6), hold(wallet, 1)

    async def work():
        wire = Wire()
        async with wire.laid(monkeypatch), committing():
            await committer.place(one)
            await committer.place(unsent)
            wire.word, wire.times = one.usage_id.encode(), 1
            wire.away = True
            with pytest.raises(InDoubtError):
                await committer.settle(charge(one, 5))
            with pytest.raises(psycopg.OperationalError) as certain:
                await committer.settle(charge(unsent, 1))
            assert not isinstance(certain.value, InDoubtError)
            wire.away = False
            monkeypatch.setattr(committer, "CLOSE_SECONDS", 20)
            return (await committer.release(giving_back(one))).kind, (await committer.release(giving_back(unsent))).kind

    assert asyncio.run(work()) == ("closed", "released")
    assert now(wallet) == (5, 0, 0)


def test_when_every_connection_has_died_the_next_call_gets_a_new_one_at_once(connect):
    """As after a restart of PostgreSQL. The pool by itself would try the dead ones in turn, and pause longer after each."""
    killer = connect()

    async def work():
        async with AsyncExitStack() as stack:
            held = [await stack.enter_async_context(pool.connection()) for _ in range(8)]
            pids = [connection.info.backend_pid for connection in held]
        killer.execute("select pg_terminate_backend(pid) from unnest(%s::int[]) as t(pid)", [pids])
        async with pool.connection(wait_seconds=2) as connection:
            return (await (await connection.execute("select 1")).fetchone())[0]

    assert on_a_pool(work) == 1


def test_a_lock_that_never_ends_is_given_up_on(connect, monkeypatch):
    monkeypatch.setattr(committer, "PLACE_SECONDS", 0.2)
    wallet = WalletFactory(balance=10)
    locker = connect()

    async def work():
        with locker.transaction():
            locker.execute("select from wallets_wallet where id = %s for update", [wallet.pk])
            with pytest.raises(psycopg.OperationalError):
                await committer.place(hold(wallet, 1))
        monkeypatch.setattr(committer, "PLACE_SECONDS", 20)
        return (await committer.place(hold(wallet, 1))).kind

    assert on_a_pool(work) == "held"
    assert UsageRecord.objects.filter(wallet=wallet).count() == 1


@pytest.fixture
def slow_to_connect(monkeypatch):
    """An event without which nobody gets a connection."""
    connecting = pool.connect
    let_through = asyncio.Event()

    async def connect(**settings):
        await let_through.wait()
        return await connecting(**settings)

    monkeypatch.setattr(pool, "connect", connect)
    return let_through


def test_a_hold_that_was_given_up_while_there_was_no_connection_is_not_placed(committed, monkeypatch, slow_to_connect):
    monkeypatch.setattr(committer, "PLACE_SECONDS", 0.1)
    wallet = WalletFactory(balance=10)

    async def work():
        with pytest.raises(psycopg.OperationalError):
            await committer.place(hold(wallet, 3))
        slow_to_connect.set()
        monkeypatch.setattr(committer, "PLACE_SECONDS", 20)
        return (await committer.place(hold(wallet, 10))).kind

    assert on_a_pool(work) == "held"
    assert now(wallet) == (10, 10, 1)


def test_a_charge_that_was_given_up_while_there_was_no_connection_is_not_made(committed, monkeypatch, slow_to_connect):
    wallet = WalletFactory(balance=10)
    one = hold(wallet, 3)
    holds.place([one])

    async def work():
        monkeypatch.setattr(committer, "CLOSE_SECONDS", 0.1)
        with pytest.raises(psycopg.OperationalError) as certain:
            await committer.settle(charge(one, 3))
        assert not isinstance(certain.value, InDoubtError)
        slow_to_connect.set()
        monkeypatch.setattr(committer, "CLOSE_SECONDS", 20)
        return (await committer.release(giving_back(one))).kind

    assert on_a_pool(work) == "released"
    assert now(wallet) == (10, 0, 0)


def test_while_a_table_is_locked_charges_wait_and_those_given_up_are_not_made(connect, monkeypatch):
    """As by a migration that takes its time."""
    wallet = WalletFactory(balance=100, max_in_flight=100)
    locker = connect()
    calls = [hold(wallet, 1) for _ in range(40)]

    async def work():
        assert {(await committer.place(one)).kind for one in calls} == {"held"}
        with locker.transaction():
            locker.execute("lock table wallets_ledgerentry in share mode")
            patient = [asyncio.create_task(committer.settle(charge(one, 1))) for one in calls[::2]]
            await asyncio.sleep(0)
            monkeypatch.setattr(committer, "CLOSE_SECONDS", 0.5)
            given_up = await asyncio.gather(*(committer.settle(charge(one, 1)) for one in calls[1::2]), return_exceptions=True)
            assert {type(error) for error in given_up} == {psycopg.OperationalError}
            assert not any(task.done() for task in patient)
        monkeypatch.setattr(committer, "CLOSE_SECONDS", 20)
        assert {(await task).kind for task in patient} == {"charged"}
        assert {(await committer.release(giving_back(one))).kind for one in calls[1::2]} == {"released"}

    on_a_pool(work)
    assert now(wallet) == (80, 0, 0)


def test_a_fault_of_ours_while_connecting_loses_no_row(committed, monkeypatch):
    """In the middle of a batch that is being halved, too: the rows wait again, and each has its answer."""
    wallet = WalletFactory(balance=100, max_in_flight=100)
    rows = [hold(wallet, 1, key_name="\0" if number == 7 else "") for number in range(8)]
    connected, faults = group_commit.GroupCommit._connected, iter([False, False, True])

    async def faulty(self):
        if next(faults, False):
            raise RuntimeError("a fault of ours")
        return await connected(self)

    monkeypatch.setattr(group_commit.GroupCommit, "_connected", faulty)

    async def work():
        answers = await asyncio.gather(*(committer.place(one) for one in rows), return_exceptions=True)
        assert isinstance(answers[7], psycopg.DataError)
        return {answer.kind for answer in answers[:7]}

    assert on_a_pool(work) == {"held"}
    assert now(wallet) == (100, 7, 7)


def test_after_the_end_of_a_process_nothing_is_taken(committed):
    wallet = WalletFactory(balance=10)

    async def work():
        await committer.stop()
        with pytest.raises(psycopg.OperationalError, match="stopping"):
            await committer.place(hold(wallet, 1))

    on_a_pool(work)
    assert now(wallet) == (10, 0, 0)


def test_a_charge_in_mid_air_at_the_end_of_a_process_is_in_doubt(connect, monkeypatch):
    monkeypatch.setattr(committer, "STOP_SECONDS", 0.05)
    wallet = WalletFactory(balance=10)
    one = hold(wallet, 3)
    locker, watcher = connect(), connect()

    async def work():
        await committer.place(one)
        with locker.transaction():
            locker.execute("lock table wallets_ledgerentry in share mode")
            settling = asyncio.create_task(committer.settle(charge(one, 2)))
            while not watcher.execute(f"{MINE} and wait_event_type = 'Lock'").fetchone():
                await asyncio.sleep(0.005)
            await committer.stop()
        with pytest.raises(InDoubtError):
            await settling

    monkeypatch.setattr(group_commit, "LOCK_TIMEOUT", "5s")
    on_a_pool(work)
    assert now(wallet) in ((10, 3, 1), (8, 0, 0))
    holds.release([giving_back(one)])


def test_a_connection_that_leads_nowhere_is_left_for_another(committed, monkeypatch):
    """What is sent over it arrives, and nothing comes back, not even an end."""
    monkeypatch.setattr(group_commit, "ANSWER_SECONDS", 0.3)
    wallet = WalletFactory(balance=10)
    one = hold(wallet, 6)

    async def work():
        wire = Wire()
        async with wire.laid(monkeypatch), committing():
            await committer.place(one)
            wire.word, wire.times, wire.mute = one.usage_id.encode(), 1, True
            return (await committer.settle(charge(one, 5))).kind, wire.lost

    assert asyncio.run(work()) == ("charged", 1)
    assert now(wallet) == (5, 0, 0)


def test_a_large_answer_takes_nobody_elses_time(connect):
    """It is written over a connection of its own, whatever that waits for."""
    wallet, other = WalletFactory(balance=10), WalletFactory(balance=10)
    large, small = hold(wallet, 3, reservation=Reservation("d" * 64, "a" * 64)), hold(other, 3)
    locker = connect()

    async def work():
        assert {(await committer.place(one)).kind for one in (large, small)} == {"held"}
        with locker.transaction():
            locker.execute("select from wallets_idempotencykey where wallet_id = %s for update", [wallet.pk])
            settling = asyncio.create_task(committer.settle(charge(large, 2, answer=b"x" * (committer.LARGE_ANSWER_BYTES + 1))))
            await asyncio.sleep(0.05)
            assert (await committer.settle(charge(small, 2))).kind == "charged"
            assert not settling.done()
        return (await settling).kind

    assert on_a_pool(work) == "charged"
    assert (now(wallet), now(other)) == ((8, 0, 0), (8, 0, 0))
    assert bytes(wallet.idempotency_keys.get().answer) == b"x" * (committer.LARGE_ANSWER_BYTES + 1)


def test_a_hold_that_came_true_after_it_was_given_up_is_ended(committed):
    wallet = WalletFactory(balance=10)
    known, ended, stray = (hold(wallet, 1, process_id="this one") for _ in range(3))

    def come_true():
        holds.place([stray, hold(wallet, 1, process_id="another")])
        django_connection.close()

    async def work():
        for one in (known, ended):
            await committer.place(one)
        await committer.release(giving_back(ended))
        await asyncio.to_thread(come_true)
        assert await strays.end_strays("this one") == 0, "it is too young"
        assert await strays.end_strays("this one", age_seconds=0) == 1
        return (await committer.settle(charge(known, 1))).kind

    assert on_a_pool(work) == "charged"
    assert UsageRecord.objects.get(pk=stray.usage_id).clause == "lost"
    assert now(wallet) == (9, 1, 1)


def test_a_caller_that_is_gone_leaves_no_statement_behind(connect):
    """A hold that waits for its wallet ends with the connection that asked for it: it can't come true after its caller gave it up."""
    wallet = WalletFactory(balance=10)
    locker, watcher = connect(), connect()
    row = hold(wallet, 1)

    async def work():
        asking = await psycopg.AsyncConnection.connect(pool._conninfo(settings.DATABASES["default"]), autocommit=True)
        pid = asking.info.backend_pid
        running = "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s"
        with locker.transaction():
            locker.execute("select from wallets_wallet where id = %s for update", [wallet.pk])
            asked = asyncio.create_task(asking.execute(statements.PLACE.text, statements.PLACE.parameters([row])))
            while watcher.execute(running, [pid]).fetchone() != (True,):
                await asyncio.sleep(0.01)
            with socket.socket(fileno=os.dup(asking.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)
            with pytest.raises(psycopg.OperationalError):
                await asked
            while watcher.execute(running, [pid]).fetchone() is not None:
                await asyncio.sleep(0.01)

    asyncio.run(work())
    assert now(wallet) == (10, 0, 0)


def test_without_the_pool_it_says_what_is_missing(committed, monkeypatch):
    monkeypatch.setattr(committer, "_committers", ())
    with pytest.raises(RuntimeError, match="lifespan"):
        asyncio.run(committer.place(hold(1, 1)))


def test_the_pool_opens_again_after_a_close(committed):
    async def work():
        async with pool.connection() as one:
            return await (await one.execute("select current_setting('lock_timeout')")).fetchone()

    assert [on_a_pool(work), on_a_pool(work)] == [("2s",), ("2s",)]


def test_handing_out_a_connection_leaves_nothing_on_the_server(committed):
    """Each hand-out checks the connection; what that runs must not pile up there."""

    async def work():
        for _ in range(30):
            async with pool.connection():
                pass
        async with pool.connection() as one:
            return await (await one.execute("select count(*) from pg_prepared_statements")).fetchone()

    assert on_a_pool(work) == (0,)
