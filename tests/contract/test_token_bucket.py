"""Token buckets, against a real Redis: exact, the same for all, and no harm when it is away."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings

from contract.bucket import Bucket, Memory, Wait
from contract.ids import new_id
from contract.token_bucket import TokenBuckets
from tests.contract.wire import eventually
from tests.keys.eventually import until
from tests.relay import Relay

Take = Callable[..., Awaitable[Wait | None]]

HOUR = 3600.0
SECONDS = settings.TOKEN_BUCKET_SECONDS


def bucket(most: int, *, seconds: float = HOUR) -> Bucket:
    return Bucket(new_id("test"), most, seconds)


def server() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


@asynccontextmanager
async def process(url: str | None = None) -> AsyncIterator[TokenBuckets]:
    """What one web process has of it."""
    buckets = TokenBuckets(settings.REDIS_URL if url is None else url, seconds=SECONDS)
    await buckets.start()
    try:
        yield buckets
    finally:
        await buckets.stop()


@asynccontextmanager
async def by_the_event_loop() -> AsyncIterator[Take]:
    async with process() as buckets:
        yield buckets.take


@asynccontextmanager
async def by_a_thread() -> AsyncIterator[Take]:
    buckets = TokenBuckets(settings.REDIS_URL, seconds=SECONDS)

    async def take(*wanted: Bucket) -> Wait | None:
        return await asyncio.to_thread(buckets.take_sync, *wanted)

    yield take


@asynccontextmanager
async def by_memory() -> AsyncIterator[Take]:
    memory = Memory()

    async def take(*wanted: Bucket) -> Wait | None:
        return memory.take(wanted)

    yield take


every_way = pytest.mark.parametrize("way", [by_the_event_loop, by_a_thread, by_memory])


async def taken(take: Take, wanted: Bucket, times: int) -> int:
    """How many of so many tries at once took a token."""
    return (await asyncio.gather(*(take(wanted) for _ in range(times)))).count(None)


@every_way
def test_a_bucket_gives_what_it_holds_and_says_when_there_is_more(way):
    async def flow() -> None:
        async with way() as take:
            wanted = bucket(7)
            assert await taken(take, wanted, 50) == 7
            refused = await take(wanted)
            assert refused is not None
            assert refused.bucket == wanted
            assert 0 < refused.seconds <= HOUR / 7

    asyncio.run(flow())


@every_way
def test_it_is_there_after_the_wait_and_not_before(way):
    """Tokens come back one after another, each a fifth of a second after the one before."""

    async def flow() -> None:
        async with way() as take:
            wanted, given, waits, began = bucket(5, seconds=1.0), 0, 0, time.monotonic()
            async with asyncio.timeout(60):
                while waits < 5:
                    if (refused := await take(wanted)) is not None:
                        waits += 1
                        assert refused.seconds <= 0.2
                        await asyncio.sleep(refused.seconds + 0.005)  # two clocks
                        assert await take(wanted) is None
                    given += 1
            assert given <= 5 + 5 * (time.monotonic() - began + 0.005)

    asyncio.run(flow())


@every_way
def test_of_two_buckets_it_takes_both_or_none(way):
    async def flow() -> None:
        async with way() as take:
            small, large = bucket(2), bucket(5)
            assert [await take(large, small) for _ in range(2)] == [None, None]
            for _ in range(10):
                refused = await take(large, small)
                assert refused is not None
                assert refused.bucket == small
            assert await taken(take, large, 10) == 3
            fast = bucket(1, seconds=60)
            assert await take(fast) is None
            refused = await take(fast, large)
            assert refused is not None
            assert refused.bucket == large
            assert refused.seconds > 60

    asyncio.run(flow())


@every_way
def test_another_figure_is_at_work_at_once(way):
    async def flow() -> None:
        async with way() as take:
            wanted = bucket(10)
            assert await taken(take, wanted, 20) == 10
            assert await taken(take, wanted._replace(most=15), 20) == 5
            smaller = wanted._replace(most=2)
            refused = await take(smaller)
            assert refused is not None
            assert refused.seconds <= HOUR / 2, "what was taken before is no debt beyond the bucket"

    asyncio.run(flow())


def test_processes_and_threads_share_it_to_the_token():
    async def flow() -> None:
        wanted = bucket(200)
        async with process() as one, process() as two:
            in_threads = TokenBuckets(settings.REDIS_URL, seconds=SECONDS)
            with ThreadPoolExecutor(4) as threads:
                asked = [threads.submit(in_threads.take_sync, wanted) for _ in range(100)]
                by_loops = await asyncio.gather(taken(one.take, wanted, 300), taken(two.take, wanted, 300))
            by_threads = [answer.result() for answer in asked].count(None)
            assert sum(by_loops) + by_threads == 200
            assert all(len(buckets.memory) == 0 for buckets in (one, two, in_threads)), "some were counted in memory"

    asyncio.run(flow())


def test_what_asks_at_the_same_time_gets_its_own_answer():
    async def flow() -> None:
        buckets = [bucket(number + 1) for number in range(50)]
        async with process() as one:
            answers = await asyncio.gather(*(one.take(wanted) for wanted in buckets for _ in range(60)))
        given = Counter(
            wanted.most for wanted, answer in zip([w for w in buckets for _ in range(60)], answers, strict=True) if answer is None
        )
        assert given == {number + 1: number + 1 for number in range(50)}

    asyncio.run(flow())


def test_who_leaves_while_he_waits_harms_nobody():
    async def flow() -> None:
        wanted = bucket(3)
        async with process() as one:
            left = asyncio.create_task(one.take(wanted))
            await asyncio.sleep(0)
            left.cancel()
            assert await taken(one.take, wanted, 5) >= 2
            assert one.connected

    asyncio.run(flow())


@pytest.mark.parametrize("way", [by_the_event_loop, by_a_thread])
def test_what_somebody_else_has_put_there_is_written_over(way):
    async def flow() -> None:
        async with way() as take:
            for put in (
                lambda key: server().hset(key, "a", "b"),
                lambda key: server().rpush(key, "a"),
                lambda key: server().set(key, "nonsense"),
                lambda key: server().set(key, b"\xff:-1"),
            ):
                wanted = bucket(2)
                put(wanted.key)
                assert await taken(take, wanted, 5) == 2

    asyncio.run(flow())


@pytest.mark.parametrize("way", [by_the_event_loop, by_a_thread])
def test_a_lost_script_is_sent_again(way):
    async def flow() -> None:
        async with way() as take:
            wanted = bucket(2)
            assert await take(wanted) is None
            server().script_flush()
            assert await taken(take, wanted, 5) == 1

    asyncio.run(flow())


def test_a_full_bucket_takes_no_room():
    async def flow() -> None:
        wanted = bucket(100, seconds=60)
        async with process() as one:
            assert await one.take(wanted) is None
        assert 0 < server().pttl(wanted.key) <= 601

    asyncio.run(flow())


def test_memory_is_bounded_and_forgets_what_was_used_longest_ago():
    memory = Memory(most_remembered=10)
    first, others = bucket(1), [bucket(1) for _ in range(9)]
    for wanted in (first, *others):
        assert memory.take([wanted]) is None
    assert memory.take([first]) is not None
    for _ in range(100):
        memory.take([bucket(1)])
    assert len(memory) == 10
    assert memory.take([first]) is None


def test_memory_counts_for_all_threads():
    memory, wanted, took = Memory(), bucket(100), []
    threads = [threading.Thread(target=lambda: took.extend(memory.take([wanted]) for _ in range(100))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert took.count(None) == 100


# Redis away


@pytest.fixture
def relay():
    url = urlsplit(settings.REDIS_URL)
    relay = Relay(url.hostname or "", url.port or 0)
    yield relay
    relay.cut()


def through(relay: Relay) -> str:
    url = urlsplit(settings.REDIS_URL)
    return url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{relay.port}").geturl()


@pytest.mark.parametrize("gone", [Relay.cut, Relay.mute], ids=["refusing", "silent"])
def test_with_redis_away_it_is_counted_in_memory_and_shared_again_afterwards(relay: Relay, gone: Callable[[Relay], None]):
    async def flow() -> None:
        async with process(through(relay)) as one, process() as two:
            assert await one.take(bucket(1)) is None
            gone(relay)
            wanted = bucket(5)
            assert await taken(one.take, wanted, 20) == 5
            await until(lambda: not one.connected)
            assert await taken(one.take, wanted, 20) == 0
            if gone is Relay.cut:
                assert await taken(two.take, wanted, 20) == 5, "the other process counts its own"
                relay.restore()
            else:  # Redis has counted what it was asked, and only was not heard
                relay.unmute()
            await until(lambda: one.connected)
            again = bucket(5)
            assert await taken(one.take, again, 3) + await taken(two.take, again, 10) == 5

    asyncio.run(flow())


def test_while_redis_is_away_nobody_asks_it(relay: Relay):
    async def flow() -> None:
        async with process(through(relay)) as one:
            relay.cut()
            await one.take(bucket(1))
            await until(lambda: not one.connected)
            answers = await asyncio.gather(*(one.take(bucket(1)) for _ in range(1000)))
            assert answers.count(None) == 1000

    asyncio.run(flow())


def test_threads_too_count_in_memory_while_redis_is_away(relay: Relay):
    buckets, wanted = TokenBuckets(through(relay), seconds=SECONDS), bucket(5)
    relay.cut()
    assert [buckets.take_sync(wanted) for _ in range(10)].count(None) == 5
    relay.restore()
    again = bucket(1)

    def is_shared() -> bool:
        buckets.take_sync(again)
        return bool(server().exists(again.key))

    assert eventually(is_shared, seconds=30)


def test_a_process_starts_also_while_redis_is_away(relay: Relay):
    async def flow() -> None:
        relay.cut()
        async with process(through(relay)) as one:
            assert await taken(one.take, bucket(2), 5) == 2
            relay.restore()
            await until(lambda: one.connected)

    asyncio.run(flow())


def test_without_a_redis_it_is_counted_in_memory():
    async def flow() -> None:
        async with process("") as one:
            wanted = bucket(2)
            assert await taken(one.take, wanted, 5) == 2
            assert one.take_sync(wanted) is not None

    asyncio.run(flow())
