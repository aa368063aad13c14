"""A revoked key or a suspended account is refused everywhere at once, and without Redis a little later."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
import pytest
import redis
from django.conf import settings as site_settings
from django.db import connection, transaction

from accounts.models import Account
from keys import cache, forgetting, issuing
from keys.cache import KeyCache
from keys.caller import Caller
from keys.models import ApiKey
from tests.factories import AccountFactory, ApiKeyFactory
from tests.keys.doors import accepts, open_pool
from tests.keys.eventually import until

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def keys(monkeypatch) -> KeyCache:
    """This process's cache, such that only a message can make it forget."""
    keys = KeyCache(ttl_seconds=3600)
    monkeypatch.setattr(cache, "KEYS", keys)
    return keys


async def refuses(token: str) -> bool:
    return not await accepts(token)


async def heard(keys: KeyCache, *, url: str, digest: str = "0" * 64) -> None:
    """Returns once a message that drops `digest` has arrived: the subscription stands, and its own clearing is over."""
    loads = 0

    async def load(digest: str) -> Caller | None:
        nonlocal loads
        loads += 1
        return Caller(1, "active", 1, 1, "sk-bt-AAAAAA", "test")

    async def dropped() -> bool:
        await asyncio.to_thread(redis.Redis.from_url(url).publish, forgetting.CHANNEL, digest)
        await keys.get(digest, load)
        return loads > 1

    await keys.get(digest, load)
    await until(dropped)
    await until(dropped_by_name_alone(keys, digest=digest, load=load, url=url))


def dropped_by_name_alone(keys: KeyCache, *, digest: str, load: cache.Load, url: str) -> Callable[[], Awaitable[bool]]:
    """Whether a message took `digest` and left a neighbour, so it was no clearing of everything."""
    neighbour = "1" * 64

    async def holds() -> bool:
        await keys.get(neighbour, load)
        await keys.get(digest, load)
        await asyncio.to_thread(redis.Redis.from_url(url).publish, forgetting.CHANNEL, digest)
        await asyncio.sleep(0.01)
        return neighbour in keys and digest not in keys

    return holds


@asynccontextmanager
async def listening(keys: KeyCache, *, url: str) -> AsyncIterator[None]:
    listener = asyncio.create_task(forgetting.listen(keys, url=url))
    try:
        await heard(keys, url=url)
        yield
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


@contextmanager
def elsewhere(scenario: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Run the scenario on an event loop of its own, as another process would; its failure is the test's."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(asyncio.wait_for(scenario(), 60))
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failures:
        raise failures[0]


def test_a_revocation_elsewhere_is_obeyed_at_once(committed, keys):
    revoked, kept = ApiKeyFactory(), ApiKeyFactory()
    known, done = threading.Event(), threading.Event()

    async def another_process() -> None:
        async with open_pool(), listening(keys, url=site_settings.REDIS_URL):
            assert await accepts(revoked.token)
            assert await accepts(kept.token)
            known.set()
            await asyncio.to_thread(done.wait, 30)
            await until(lambda: refuses(revoked.token))
            assert kept.digest in keys

    with elsewhere(another_process):
        assert known.wait(30)
        assert issuing.revoke(revoked, actor=revoked.account.user)
        done.set()


def test_a_suspension_elsewhere_reaches_every_key_of_the_account(committed, keys):
    account = AccountFactory()
    mine, other = [ApiKeyFactory(account=account) for _ in range(3)], ApiKeyFactory()
    known, done = threading.Event(), threading.Event()

    async def another_process() -> None:
        async with open_pool(), listening(keys, url=site_settings.REDIS_URL):
            for key in [*mine, other]:
                assert await accepts(key.token)
            known.set()
            await asyncio.to_thread(done.wait, 30)
            for key in mine:
                await until(lambda key=key: refuses(key.token))
            assert other.digest in keys

    with elsewhere(another_process):
        assert known.wait(30)
        with transaction.atomic():
            Account.objects.filter(pk=account.pk).update(status=Account.Status.SUSPENDED)
            forgetting.publish_account(account.pk)
        done.set()


def test_what_is_rolled_back_is_not_said(committed):
    undone, revoked = ApiKeyFactory(), ApiKeyFactory()
    with redis.Redis.from_url(site_settings.REDIS_URL, decode_responses=True).pubsub() as subscription:
        subscription.subscribe(forgetting.CHANNEL)
        assert subscription.get_message(timeout=30)["type"] == "subscribe"
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            issuing.revoke(undone, actor=None)
            raise ZeroDivisionError
        issuing.revoke(revoked, actor=None)
        said: list[str] = []
        while revoked.digest not in said:
            said.append(subscription.get_message(timeout=30)["data"])
    assert undone.digest not in said
    undone.refresh_from_db()
    assert undone.revoked_at is None


def test_everything_is_forgotten_when_the_line_was_cut():
    """A message may have been missed meanwhile."""
    url = site_settings.REDIS_URL
    remembered = "2" * 64

    async def load(digest: str) -> Caller | None:
        return Caller(1, "active", 1, 1, "sk-bt-AAAAAA", "test")

    async def scenario() -> None:
        keys = KeyCache(ttl_seconds=3600)
        async with listening(keys, url=url):
            await keys.get(remembered, load)
            await asyncio.to_thread(cut_the_lines, url)
            await until(lambda: remembered not in keys)
            await heard(keys, url=url)

    asyncio.run(scenario())


def test_what_was_learnt_before_the_line_stood_is_forgotten():
    """A message may have been missed until then."""
    remembered = "2" * 64

    async def load(digest: str) -> Caller | None:
        return Caller(1, "active", 1, 1, "sk-bt-AAAAAA", "test")

    async def scenario() -> None:
        keys = KeyCache(ttl_seconds=3600)
        await keys.get(remembered, load)
        listener = asyncio.create_task(forgetting.listen(keys, url=site_settings.REDIS_URL))
        await until(lambda: remembered not in keys)
        assert not listener.done()
        listener.cancel()

    asyncio.run(scenario())


def cut_the_lines(url: str) -> None:
    """Disconnect the key listeners of this database, as a restart of the server does."""
    with redis.Redis.from_url(url) as server:
        ours = str(server.client_info()["db"])
        for client in server.client_list(_type="pubsub"):
            if (client["name"], client["db"]) == ("beatra-keys", ours):
                server.client_kill_filter(_id=client["id"])


def test_without_redis_the_time_alone_makes_it_forget(committed, monkeypatch):
    monkeypatch.setattr(cache, "KEYS", KeyCache(ttl_seconds=0.2))
    key = ApiKeyFactory()

    async def scenario() -> None:
        async with open_pool():
            listener = asyncio.create_task(forgetting.listen(cache.KEYS, url=NOBODY))
            assert await accepts(key.token)
            await asyncio.to_thread(revoke_in_silence, key)
            await until(lambda: refuses(key.token))
            assert not listener.done()
            listener.cancel()

    asyncio.run(scenario())


def revoke_in_silence(key: ApiKey) -> None:
    """By a process whose word doesn't reach us."""
    settings = connection.settings_dict
    named = {name.lower(): settings[name] for name in ("HOST", "PORT", "USER", "PASSWORD")}
    with psycopg.connect(dbname=settings["NAME"], **named) as conn:
        conn.execute("update keys_apikey set revoked_at = now() where id = %s", [key.pk])


def test_a_revocation_here_succeeds_and_is_obeyed_here_while_redis_is_away(committed, keys, settings):
    settings.REDIS_URL = ""  # nobody to listen to
    key = ApiKeyFactory()

    def revoke() -> bool:
        try:
            return issuing.revoke(key, actor=None)
        finally:
            connection.close()

    async def scenario() -> None:
        async with open_pool():
            await forgetting.start()
            settings.REDIS_URL = NOBODY  # and nobody to tell
            try:
                assert await accepts(key.token)
                assert key.digest in keys
                assert await asyncio.to_thread(revoke)
                await until(lambda: refuses(key.token))
            finally:
                await forgetting.stop()

    asyncio.run(scenario())


def test_a_lost_line_is_said_once_and_without_the_password(caplog):
    async def scenario() -> None:
        listener = asyncio.create_task(forgetting.listen(KeyCache(), url="redis://:hunter2@127.0.0.1:1/0"))
        await asyncio.sleep(0.5)  # a few tries
        listener.cancel()

    with caplog.at_level("INFO"):
        asyncio.run(scenario())
    lines = [record.getMessage() for record in caplog.records if record.name == "keys.forgetting"]
    assert len(lines) == 1
    assert "hunter2" not in caplog.text
