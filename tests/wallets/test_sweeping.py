"""Calls whose process is gone end as lost; those of living processes are left alone."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from django.conf import settings
from django.db import connection

from tests.factories import WalletFactory
from tests.relay import Relay
from tests.wallets.calls import charge, hold, new_id, now
from wallets import heartbeat, holds, pool
from wallets.models import Process, UsageRecord
from wallets.sweeper import FORGET, GAP_SECONDS, GONE_SECONDS, WATCHED_SECONDS, sweep, sweep_task, watched_seconds


def seen(process_id: str, *, seconds_ago: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into wallets_process (id, seen_at) values (%s, clock_timestamp() - make_interval(secs => %s))",
            [process_id, seconds_ago],
        )


def opened(wallet, *, seconds_ago: float, **fields):
    """A hold that was placed so long ago."""
    held = hold(wallet, 1, **fields)
    holds.place([held])
    with connection.cursor() as cursor:
        cursor.execute(
            "update wallets_usagerecord set created_at = created_at - make_interval(secs => %s) where id = %s", [seconds_ago, held.usage_id]
        )
    return held


def watched(*, since: float, last: float) -> None:
    """Sweeps have come without a gap `since` so many seconds, the last one so many ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into wallets_process (id, started_at, seen_at)"
            " values ('sweeper', clock_timestamp() - make_interval(secs => %(since)s), clock_timestamp() - make_interval(secs => %(last)s))"
            " on conflict (id) do update set started_at = excluded.started_at, seen_at = excluded.seen_at",
            {"since": since, "last": last},
        )


@pytest.mark.django_db
class TestSweep:
    def test_the_calls_of_a_process_that_is_gone_are_lost(self):
        wallet = WalletFactory(balance=10)
        process, alive = f"gone-{new_id()}", f"alive-{new_id()}"
        seen(process, seconds_ago=21)
        seen(alive, seconds_ago=0)
        lost, running = hold(wallet, 3, process_id=process), hold(wallet, 2, process_id=alive)
        holds.place([lost, running])

        assert sweep(gone_seconds=0.5) >= 1

        record = UsageRecord.objects.get(pk=lost.usage_id)
        assert (record.status, record.clause, record.charged_credits) == ("released", "lost", 0)
        assert UsageRecord.objects.get(pk=running.usage_id).status == "open"
        assert now(wallet) == (10, 2, 1)
        assert [answer.kind for answer in holds.settle([charge(lost, 3), charge(running, 2)])] == ["closed", "charged"]

    def test_nearly_twenty_seconds_of_silence_are_allowed(self):
        wallet = WalletFactory(balance=10)
        process = new_id()
        seen(process, seconds_ago=15)
        held = hold(wallet, 1, process_id=process)
        holds.place([held])
        sweep()
        assert UsageRecord.objects.get(pk=held.usage_id).status == "open"

    def test_a_call_without_a_process_is_lost_once_it_is_old(self):
        wallet = WalletFactory(balance=10)
        old = opened(wallet, seconds_ago=21, process_id=new_id())
        new = opened(wallet, seconds_ago=-21, process_id=new_id())
        sweep(gone_seconds=0.5)
        assert [UsageRecord.objects.get(pk=one.usage_id).status for one in (old, new)] == ["released", "open"]

    def test_a_call_open_for_longer_than_any_may_last_is_lost(self):
        wallet = WalletFactory(balance=10)
        process = new_id()
        seen(process, seconds_ago=-60)
        old, young = (opened(wallet, seconds_ago=seconds, process_id=process) for seconds in (1501, 1400))
        sweep()
        assert [UsageRecord.objects.get(pk=one.usage_id).status for one in (old, young)] == ["released", "open"]

    def test_where_calls_may_last_longer_they_are_left_for_longer(self, settings):
        settings.CHAT_TOTAL_SECONDS = 7200
        wallet = WalletFactory(balance=10)
        process = new_id()
        seen(process, seconds_ago=-60)
        running, old = (opened(wallet, seconds_ago=seconds, process_id=process) for seconds in (7201, 12_000))
        sweep()
        assert [UsageRecord.objects.get(pk=one.usage_id).status for one in (running, old)] == ["open", "released"]

    def test_what_was_lost_is_logged(self, caplog):
        wallet = WalletFactory(balance=10)
        opened(wallet, seconds_ago=4000)
        assert sweep() >= 1
        assert any(record.name == "wallets.sweeper" and record.lost >= 1 for record in caplog.records)

    def test_more_than_a_batch_is_swept(self, monkeypatch):
        monkeypatch.setattr("wallets.sweeper.BATCH", 3)
        wallet = WalletFactory(balance=10)
        process = new_id()
        seen(process, seconds_ago=21)
        holds.place([hold(wallet, 1, process_id=process) for _ in range(8)])
        sweep(gone_seconds=0.5)
        assert now(wallet) == (10, 0, 0)

    def test_processes_long_gone_are_forgotten_unless_they_have_open_calls(self):
        wallet = WalletFactory(balance=10)
        processes = [new_id(), new_id(), new_id()]
        for process, ago in zip(processes, (90_000, 90_000, 60), strict=True):
            seen(process, seconds_ago=ago)
        opened(wallet, seconds_ago=0, process_id=processes[1])
        with connection.cursor() as cursor:
            cursor.execute(FORGET, {"forget": 86_400})
        assert sorted(Process.objects.filter(id__in=processes).values_list("id", flat=True)) == sorted(processes[1:])

    def test_a_death_is_swept_within_thirty_seconds(self):
        """At worst its last renewal came just before it, and the sweep just before it is given up."""
        (entry,) = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == sweep_task.name]
        assert GONE_SECONDS + entry["schedule"] < 30
        assert sweep_task.__module__ in settings.CELERY_IMPORTS

    def test_beat_runs_it_and_after_a_gap_the_living_get_time_to_be_seen(self):
        wallet = WalletFactory(balance=10)
        opened(wallet, seconds_ago=4000)
        watched(since=60, last=GAP_SECONDS + 1)
        sweep_task()
        assert now(wallet) == (10, 1, 1), "all stood still, the sweeps too"
        watched(since=WATCHED_SECONDS - 5, last=5)
        sweep_task()
        assert now(wallet) == (10, 1, 1)
        watched(since=WATCHED_SECONDS, last=5)
        sweep_task()
        assert now(wallet) == (10, 0, 0)

    def test_the_first_sweep_of_all_has_not_watched(self):
        Process.objects.filter(id="sweeper").delete()
        assert watched_seconds() < 1


def test_a_locked_wallet_is_left_for_the_next_sweep(connect, clean_books):
    busy, free = WalletFactory(balance=10), WalletFactory(balance=10)
    for wallet in (busy, free):
        opened(wallet, seconds_ago=4000)
    other = connect()
    with other.transaction():
        other.execute("select from wallets_wallet where id = %s for update", [busy.pk])
        sweep()
        assert (now(busy), now(free)) == ((10, 1, 1), (10, 0, 0))
    sweep()
    assert now(busy) == (10, 0, 0)


def test_a_process_is_seen_while_it_runs_and_gone_when_it_stops(committed, monkeypatch):
    monkeypatch.setattr(heartbeat, "RENEW_SECONDS", 0.05)

    async def work():
        with pytest.raises(RuntimeError, match="lifespan"):
            heartbeat.process_id()
        await pool.open()
        try:
            process = await heartbeat.start()
            assert heartbeat.process_id() == process == await heartbeat.start()

            async def last_seen():
                async with pool.connection() as one:
                    cursor = await one.execute("select seen_at from wallets_process where id = %s", [process])
                    return await cursor.fetchone()

            first = await last_seen()
            while await last_seen() == first:
                await asyncio.sleep(0.02)
            await heartbeat.stop()
            assert await last_seen() is None
            return process
        finally:
            await heartbeat.stop()
            await pool.close()

    assert asyncio.run(work()) != asyncio.run(work())


def test_the_heart_beats_again_after_the_database_was_away(connect, monkeypatch):
    monkeypatch.setattr(heartbeat, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "RETRY_SECONDS", 0.05)
    other = connect()

    async def work():
        await pool.open()
        try:
            process = await heartbeat.start()
            other.execute("delete from wallets_process where id = %s", [process])
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'beatra' and pid <> pg_backend_pid()"
            )
            while not other.execute("select 1 from wallets_process where id = %s", [process]).fetchone():
                await asyncio.sleep(0.02)
        finally:
            await heartbeat.stop()
            await pool.close()

    asyncio.run(work())


def test_the_heart_does_not_wait_behind_requests(committed, monkeypatch):
    """Every connection of the pool is taken, and it beats."""
    monkeypatch.setattr(heartbeat, "RENEW_SECONDS", 0.05)

    async def work():
        await pool.open()
        try:
            process = await heartbeat.start()
            async with AsyncExitStack() as taken:
                most = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
                one, *_ = [await taken.enter_async_context(pool.connection()) for _ in range(most)]
                last_seen = "select seen_at from wallets_process where id = %s"
                first = await (await one.execute(last_seen, [process])).fetchone()
                async with asyncio.timeout(30):
                    while await (await one.execute(last_seen, [process])).fetchone() == first:
                        await asyncio.sleep(0.02)
        finally:
            await heartbeat.stop()
            await pool.close()

    asyncio.run(work())


def test_a_beat_that_hangs_is_given_up_for_another(connect, monkeypatch, caplog):
    monkeypatch.setattr(heartbeat, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "TRY_SECONDS", 1)
    other = connect()
    last_seen = "select seen_at from wallets_process where id = %s"

    async def work():
        await pool.open()
        try:
            process = await heartbeat.start()
            async with asyncio.timeout(30):
                with other.transaction():
                    other.execute("select from wallets_process where id = %s for update", [process])
                    while "a heartbeat was missed: TimeoutError" not in caplog.text:
                        await asyncio.sleep(0.02)
                    before = other.execute(last_seen, [process]).fetchone()
                while other.execute(last_seen, [process]).fetchone() == before:
                    await asyncio.sleep(0.02)
        finally:
            await heartbeat.stop()
            await pool.close()

    asyncio.run(work())


@pytest.fixture
def relay():
    """Before the database."""
    database = settings.DATABASES["default"]
    relay = Relay(database["HOST"], int(database["PORT"] or 5432))
    yield relay
    relay.cut()


def test_a_database_that_is_heard_no_more_costs_a_try_and_no_wait_for_its_end(connect, relay, monkeypatch, caplog):
    """psycopg, which ends the try, asks the server to cancel and hears it out: that must not put off the next one."""
    monkeypatch.setattr(heartbeat, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "TRY_SECONDS", 1)
    other = connect()
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "127.0.0.1")
    monkeypatch.setitem(settings.DATABASES["default"], "PORT", relay.port)

    async def work():
        await pool.open()
        try:
            process = await heartbeat.start()

            def last_seen():
                return other.execute("select seen_at from wallets_process where id = %s", [process]).fetchone()

            async def beats():
                before = last_seen()
                while last_seen() == before:
                    await asyncio.sleep(0.02)

            async with asyncio.timeout(60):
                await beats()
                relay.mute()
                while "a heartbeat was missed: TimeoutError" not in caplog.text:
                    await asyncio.sleep(0.02)
                relay.unmute()
                await beats()
        finally:
            await heartbeat.stop()
            await pool.close()
            assert not [task for task in asyncio.all_tasks() if task.get_name() == "a heartbeat"]

    asyncio.run(work())
    said = [record.name for record in caplog.records if record.name in ("wallets.heartbeat", "psycopg")]
    assert "psycopg" in said, "the try that hung was ended"
    assert said[0] == "wallets.heartbeat", "it was given up before"
