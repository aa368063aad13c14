"""When a key was last used: noted beside the request, written at most once a minute."""

import asyncio
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from keys import cache, last_use
from keys.authentication import ApiKeyAuthentication
from keys.models import ApiKey
from tests.factories import AccountFactory, ApiKeyFactory
from tests.keys.doors import accepts, open_pool, request_with
from tests.keys.eventually import until
from wallets import pool

A_SECOND = timedelta(seconds=1)
TWO_MINUTES = timedelta(minutes=2)


@pytest.fixture(autouse=True)
def _nothing_noted_before():
    last_use.forget()
    cache.KEYS.clear()
    yield
    last_use.forget()


def flush() -> None:
    async def write() -> None:
        async with open_pool():
            await last_use.flush()

    asyncio.run(write())


def last_used_at(key: ApiKey) -> datetime | None:
    return ApiKey.objects.values_list("last_used_at", flat=True).get(pk=key.pk)


async def is_written(key: ApiKey, at: datetime) -> bool:
    async with pool.connection() as conn:
        cursor = await conn.execute("select last_used_at = %s from keys_apikey where id = %s", [at, key.pk])
        return (await cursor.fetchone()) == (True,)


def test_a_use_by_either_door_is_written(committed):
    lean, drf, unused = ApiKeyFactory(), ApiKeyFactory(), ApiKeyFactory()
    before = timezone.now()

    async def use_both() -> None:
        async with open_pool():
            assert await accepts(lean.token)

    asyncio.run(use_both())
    ApiKeyAuthentication().authenticate(request_with(f"Bearer {drf.token}"))
    assert last_used_at(lean) is None  # not on the request's path
    flush()
    assert before <= last_used_at(lean) <= timezone.now()
    assert before <= last_used_at(drf) <= timezone.now()
    assert last_used_at(unused) is None


def test_a_refused_key_is_not_used(committed):
    key = ApiKeyFactory(revoked_at=timezone.now())
    suspended = ApiKeyFactory(account=AccountFactory(status="suspended"))

    async def try_both() -> None:
        async with open_pool():
            assert not await accepts(key.token)
            assert not await accepts(suspended.token)

    asyncio.run(try_both())
    flush()
    assert last_used_at(key) is last_used_at(suspended) is None


def test_a_second_use_within_a_minute_is_not_written(committed):
    key, now = ApiKeyFactory(), timezone.now()
    last_use.touch(key.pk, at=now)
    flush()
    last_use.touch(key.pk, at=now + A_SECOND)
    flush()
    last_use.forget()  # another process, which knows of no earlier use
    last_use.touch(key.pk, at=now + 2 * A_SECOND)
    flush()
    assert last_used_at(key) == now


def test_what_waited_is_written_when_the_minute_is_over(committed, monkeypatch):
    monkeypatch.setattr(last_use, "ONCE_IN_SECONDS", 0.3)
    key, now = ApiKeyFactory(), timezone.now()

    async def scenario() -> None:
        async with open_pool():
            last_use.touch(key.pk, at=now)
            await last_use.flush()
            last_use.touch(key.pk, at=now + A_SECOND)

            async def written() -> bool:
                await last_use.flush()
                return await is_written(key, now + A_SECOND)

            await until(written)

    asyncio.run(scenario())


def test_an_earlier_use_never_replaces_a_later_one(committed):
    now = timezone.now()
    key = ApiKeyFactory(last_used_at=now - TWO_MINUTES)
    last_use.touch(key.pk, at=now - 2 * TWO_MINUTES)
    flush()
    assert last_used_at(key) == now - TWO_MINUTES


def test_uses_survive_an_absence_of_the_database(committed, caplog):
    key, now = ApiKeyFactory(), timezone.now()
    last_use.touch(key.pk, at=now)
    asyncio.run(last_use.flush())  # the pool is not open
    assert "could not write" in caplog.text
    flush()
    assert last_used_at(key) == now


def test_a_process_writes_what_it_has_before_it_ends(committed):
    key, now = ApiKeyFactory(), timezone.now()

    async def a_short_life() -> None:
        async with open_pool():
            await last_use.start()
            last_use.touch(key.pk, at=now)
            await last_use.stop()

    asyncio.run(a_short_life())
    assert last_used_at(key) == now


def test_a_running_process_writes_by_itself(committed, monkeypatch):
    monkeypatch.setattr(last_use, "FLUSH_SECONDS", 0.05)
    key, now = ApiKeyFactory(), timezone.now()

    async def scenario() -> None:
        async with open_pool():
            await last_use.start()
            last_use.touch(key.pk, at=now)
            await until(lambda: is_written(key, now))
            await last_use.stop()

    asyncio.run(scenario())
