"""A route whose provider fails call after call is left alone, by every process, but for one trial at a time."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings

from catalog import breaker
from catalog.breaker import THRESHOLD, Breakers, Pass
from tests.contract.wire import eventually
from tests.keys.eventually import until
from tests.relay import Relay

ONE, OTHER = 1, 2  # accounts
_ids = itertools.count(random.randrange(10**9, 10**12, 1000))


@pytest.fixture
def route() -> int:
    """The id of a route that nobody else has."""
    return next(_ids)


@pytest.fixture
def relay():
    relay = Relay(*address())
    yield relay
    relay.cut()


def address() -> tuple[str, int]:
    url = urlsplit(settings.REDIS_URL)
    return url.hostname or "", url.port or 6379


def through(relay: Relay) -> str:
    host, port = address()
    return settings.REDIS_URL.replace(f"{host}:{port}", f"127.0.0.1:{relay.port}")


@asynccontextmanager
async def process(url: str | None = None, *, trial_seconds: float = 100, **limits) -> AsyncIterator[Breakers]:
    """Breakers of their own, as another process has them."""
    breakers = Breakers(url or settings.REDIS_URL, trial_seconds=trial_seconds, **limits)
    await breakers.start()
    try:
        await until(lambda: breakers.connected)
        yield breakers
    finally:
        await breakers.stop()


@asynccontextmanager
async def two_processes(**limits) -> AsyncIterator[tuple[Breakers, Breakers]]:
    async with process(**limits) as here, process(**limits) as there:
        yield here, there


async def fail(breakers: Breakers, route: int, *, account_id: int) -> None:
    entered = await breakers.enter(route, account_id=account_id)
    assert entered
    await entered.failed()


async def open_it(breakers: Breakers, route: int) -> None:
    """Fail just often enough, by two accounts."""
    tries = [await breakers.enter(route, account_id=account_id) for account_id in [ONE, OTHER, ONE, OTHER, ONE]]
    assert len(tries) == THRESHOLD
    for tried in tries:
        await tried.failed()


async def due(route: int) -> None:
    """Open the route such that it is due for a trial already, as every process that starts from now on knows."""
    async with process(open_seconds=0.001) as earlier:
        await open_it(earlier, route)


async def trial(breakers: Breakers, route: int) -> Pass:
    """The trial, as soon as it may be had."""
    found: list[Pass] = []

    async def entered() -> bool:
        found.extend(filter(None, [await breakers.enter(route, account_id=ONE)]))
        return bool(found)

    await until(entered)
    assert found[0].trial
    return found[0]


async def closed(breakers: Breakers, route: int) -> bool:
    """Whether calls are let through side by side."""
    passes = [await breakers.enter(route, account_id=ONE) for _ in range(3)]
    for found in filter(None, passes):
        await found.dropped()
    return all(passes)


async def all_is_heard(here: Breakers, there: Breakers) -> None:
    """Return once `there` has heard all that was said until now."""
    marker = next(_ids)
    await open_it(here, marker)
    await until(lambda: not there.is_healthy(marker))


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


def lines(caplog, text: str, route: int) -> list:
    return [record for record in caplog.records if text in record.getMessage() and getattr(record, "route_id", route) == route]


# Opening


def test_failures_of_two_accounts_open_it_for_every_process(route):
    async def scenario() -> None:
        async with two_processes() as (here, there):
            for account_id in [ONE] * (THRESHOLD - 1):
                await fail(here, route, account_id=account_id)
            assert here.is_healthy(route)
            await fail(here, route, account_id=OTHER)
            assert not here.is_healthy(route)
            assert await here.enter(route, account_id=ONE) is None
            await until(lambda: not there.is_healthy(route))
            assert await there.enter(route, account_id=ONE) is None

    run(scenario)


def test_failures_seen_by_two_processes_are_counted_together(route):
    async def scenario() -> None:
        async with two_processes() as (here, there):
            for breakers, account_id in [(here, ONE), (there, OTHER), (here, ONE), (there, OTHER), (here, ONE)]:
                assert breakers.is_healthy(route)
                await fail(breakers, route, account_id=account_id)
            assert not here.is_healthy(route)
            await until(lambda: not there.is_healthy(route))

    run(scenario)


def test_one_account_alone_never_opens_it(route):
    async def scenario() -> None:
        async with two_processes() as (here, there):
            for _ in range(THRESHOLD * 4):
                await fail(here, route, account_id=ONE)
                await fail(there, route, account_id=ONE)
            assert await closed(here, route)
            await all_is_heard(here, there)
            assert await closed(there, route)

    run(scenario)


def test_a_success_starts_the_count_again_also_in_another_process(route):
    async def scenario() -> None:
        async with two_processes() as (here, there):
            entered = await here.enter(route, account_id=OTHER)
            for _ in range(THRESHOLD - 1):
                await fail(here, route, account_id=ONE)
            await entered.succeeded()
            await fail(here, route, account_id=OTHER)
            for _ in range(THRESHOLD - 2):
                await fail(here, route, account_id=ONE)
            await all_is_heard(here, there)
            entered = await there.enter(route, account_id=OTHER)
            await entered.succeeded()
            await fail(here, route, account_id=OTHER)
            assert await closed(here, route)

    run(scenario)


def test_failures_long_ago_do_not_count(route):
    async def scenario() -> None:
        async with process(window_seconds=0.05) as here:
            for _ in range(THRESHOLD - 1):
                await fail(here, route, account_id=ONE)
            await asyncio.sleep(0.1)
            await fail(here, route, account_id=OTHER)
            assert await closed(here, route)

    run(scenario)


def test_failures_that_never_are_many_within_the_window_do_not_open_it(route):
    async def scenario() -> None:
        async with process(window_seconds=0.25) as here:
            for account_id in [ONE, OTHER] * (THRESHOLD - 1):
                await fail(here, route, account_id=account_id)
                await asyncio.sleep(0.1)
            assert await closed(here, route)

    run(scenario)


def test_what_ends_without_a_verdict_counts_for_nothing(route):
    async def scenario() -> None:
        async with process() as here:
            for account_id in [ONE, OTHER] * THRESHOLD:
                entered = await here.enter(route, account_id=account_id)
                await entered.dropped()
            assert await closed(here, route)

    run(scenario)


def test_only_the_first_word_on_a_pass_counts(route):
    async def scenario() -> None:
        async with process() as here:
            for account_id in [ONE, OTHER]:
                entered = await here.enter(route, account_id=account_id)
                for _ in range(THRESHOLD):
                    await entered.failed()
            await entered.succeeded()
            for _ in range(2):
                await fail(here, route, account_id=ONE)
            assert await closed(here, route)
            await fail(here, route, account_id=OTHER)
            assert not here.is_healthy(route), "two, two and one"

    run(scenario)


def test_a_process_that_starts_later_knows_what_is_open(route):
    async def scenario() -> None:
        async with process() as here:
            await open_it(here, route)
        async with process() as there:
            assert await there.enter(route, account_id=ONE) is None

    run(scenario)


# Trials


def test_one_trial_at_a_time_is_let_through(route):
    async def scenario() -> None:
        await due(route)
        async with two_processes() as (here, there):
            for _ in range(3):
                await until(lambda: here.is_healthy(route) and there.is_healthy(route))
                rush = [breakers.enter(route, account_id=ONE) for _ in range(50) for breakers in (here, there)]
                passes = [found for found in await asyncio.gather(*rush) if found]
                assert len(passes) == 1
                await all_is_heard(here, there)
                assert not here.is_healthy(route)
                assert not there.is_healthy(route)
                await passes[0].dropped()

    run(scenario)


def test_a_failed_trial_reopens_it_twice_as_long_up_to_a_limit(route, caplog):
    async def scenario() -> None:
        async with two_processes(open_seconds=0.5, longest_seconds=1.5) as (here, there):
            await open_it(here, route)
            for _ in range(2):
                failing = await trial(here, route)
                await failing.failed()
                assert await here.enter(route, account_id=ONE) is None
            # the trial would have been given up only in a hundred seconds
            await (await trial(there, route)).failed()

    run(scenario)
    assert [record.open_seconds for record in lines(caplog, "a breaker opened", route)] == [0.5, 1, 1.5, 1.5]


def test_a_trial_that_succeeds_closes_it_for_every_process(route, caplog):
    async def scenario() -> None:
        await due(route)
        async with two_processes() as (here, there):
            await (await trial(here, route)).succeeded()
            assert await closed(here, route)
            await until(lambda: closed(there, route))
            for _ in range(THRESHOLD - 1):
                await fail(there, route, account_id=ONE)
            assert await closed(there, route), "the count starts again"

    run(scenario)
    assert len(lines(caplog, "a breaker closed", route)) == 1


def test_the_trial_of_a_process_that_died_is_free_again_later(route):
    async def scenario() -> None:
        await due(route)
        async with process(trial_seconds=0.05) as dying:
            lost = await trial(dying, route)
        async with two_processes() as (here, there):
            running = await trial(here, route)
            assert running.trial != lost.trial
            await all_is_heard(here, there)
            assert await there.enter(route, account_id=ONE) is None
            await running.dropped()

    run(scenario)


def test_a_trial_that_was_given_up_fails_for_nobody_but_may_still_succeed(route, caplog):
    async def scenario() -> None:
        await due(route)
        async with process(trial_seconds=0.001) as slow, process() as here:
            first, second = await trial(slow, route), await trial(slow, route)
            running = await trial(here, route)
            caplog.clear()
            await first.failed()
            assert not lines(caplog, "a breaker opened", route)
            assert await here.enter(route, account_id=ONE) is None
            await second.succeeded()
            await until(lambda: closed(here, route))
            await running.failed()
            assert await closed(here, route)

    run(scenario)


def test_calls_from_before_it_opened_neither_close_it_nor_open_it_again(route):
    async def scenario() -> None:
        async with process(open_seconds=0.1) as here:
            early = [await here.enter(route, account_id=account_id) for account_id in [ONE, OTHER] * THRESHOLD]
            await open_it(here, route)
            await early.pop().succeeded()
            running = await trial(here, route)  # of which there is none while it is closed
            await early.pop().succeeded()
            assert await here.enter(route, account_id=ONE) is None
            await running.succeeded()
            for tried in early:
                await tried.failed()
            assert await closed(here, route)

    run(scenario)


def test_a_success_of_a_process_that_has_not_heard_of_the_opening_does_not_close_it(route, relay):
    async def scenario() -> None:
        async with process(through(relay)) as here, two_processes() as (there, beside):
            early = await here.enter(route, account_id=ONE)
            tries = [await there.enter(route, account_id=account_id) for account_id in [ONE, OTHER, ONE, OTHER, ONE]]
            await tries.pop().failed()
            await all_is_heard(there, here)
            relay.mute()
            for tried in tries:
                await tried.failed()
            await early.succeeded()
            assert here.is_healthy(route), "it has not heard of it"
            await all_is_heard(beside, there)
            assert await there.enter(route, account_id=ONE) is None

    run(scenario)


def test_a_caller_who_leaves_while_asking_leaves_the_trial_to_others(route, relay):
    async def scenario() -> None:
        await due(route)
        async with process(through(relay)) as here, process() as there:
            relay.mute()
            asking = asyncio.create_task(here.enter(route, account_id=ONE))
            await until(lambda: not there.is_healthy(route))  # it has the trial
            relay.unmute()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert asking.cancelled()
            await trial(there, route)

    run(scenario)


# Redis


def test_nothing_is_asked_while_nothing_is_wrong(route, relay, caplog):
    async def scenario() -> None:
        async with process(through(relay)) as here:
            relay.mute()
            for _ in range(10):
                entered = await here.enter(route, account_id=ONE)
                await entered.succeeded()

    run(scenario)
    assert not lines(caplog, "no talk with Redis", route)


def test_without_redis_everything_is_let_through_and_what_is_open_runs_out(route, relay):
    async def scenario() -> None:
        async with process(through(relay)) as here, process(open_seconds=5) as there:
            await open_it(there, route)
            await until(lambda: not here.is_healthy(route))
            relay.cut()
            await until(lambda: not here.connected)
            await until(lambda: here.is_healthy(route))
            passes = [await here.enter(route, account_id=account_id) for account_id in [ONE, OTHER] * THRESHOLD]
            assert all(passes)
            for tried in passes[:-1]:
                await tried.failed()
            await passes[-1].succeeded()
            assert await closed(here, route)

            relay.restore()
            await until(lambda: here.connected)
            again = next(_ids)
            await open_it(here, again)
            await until(lambda: not there.is_healthy(again))

    run(scenario)


def test_what_was_said_while_redis_was_away_is_known_afterwards(route, relay):
    async def scenario() -> None:
        opened, shut = route, next(_ids)
        await due(shut)
        async with process(through(relay)) as here, process() as there:
            running = await trial(there, shut)
            await until(lambda: not here.is_healthy(shut))
            relay.cut()
            await until(lambda: not here.connected)
            await open_it(there, opened)
            await running.succeeded()
            relay.restore()
            await until(lambda: not here.is_healthy(opened))
            assert await closed(here, shut)

    run(scenario)


def test_a_redis_that_hears_and_never_answers_holds_nobody_up(route, relay, caplog):
    async def scenario() -> None:
        await due(route)
        async with process(through(relay)) as here, process() as there:
            relay.mute()
            taken = await here.enter(route, account_id=ONE)
            assert taken
            assert await closed(here, route)
            await asyncio.gather(*[fail(here, route, account_id=account_id) for account_id in [ONE, OTHER] * THRESHOLD])
            relay.cut()
            await until(lambda: not here.connected)
            relay.restore()
            await until(lambda: here.connected)
            assert await there.enter(route, account_id=ONE) is None, "it heard of the trial"
            await taken.succeeded()
            await until(lambda: closed(there, route))

    run(scenario)
    assert lines(caplog, "no talk with Redis", route)


def test_it_starts_while_redis_is_away_and_never_says_the_address(route, caplog):
    async def scenario() -> None:
        breakers = Breakers("redis://:hunter2@127.0.0.1:1/0", trial_seconds=1)
        await breakers.start()
        for account_id in [ONE, OTHER] * THRESHOLD:
            await fail(breakers, route, account_id=account_id)
        await until(lambda: "not shared" in caplog.text)
        await asyncio.sleep(0.5)  # a few tries
        assert await closed(breakers, route)
        await breakers.stop()

    run(scenario)
    assert caplog.text.count("not shared") == 1
    assert "hunter2" not in caplog.text


def test_the_site_of_another_database_of_the_server_is_left_alone(route):
    async def scenario() -> None:
        elsewhere = urlsplit(settings.REDIS_URL)._replace(path="/1").geturl()
        async with process() as here, process(elsewhere) as there, process(elsewhere) as beside:
            await open_it(here, route)
            await all_is_heard(there, beside)
            assert beside.is_healthy(route)

    run(scenario)


def test_nothing_stays_in_redis_for_ever(route):
    async def scenario() -> None:
        async with process() as here:
            await open_it(here, route)

    run(scenario)
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        assert 0 < server.ttl("beatra:breakers") <= 3600


@pytest.mark.parametrize(
    "junk",
    [
        "{not json",
        "null",
        "7",
        "[]",
        '{"forget_at":"soon"}',
        '{"forget_at":9e15}',
        '{"forget_at":9e15,"open_ms":5}',
        '{"forget_at":9e15,"open_ms":true,"due_at":0}',
        '{"forget_at":9e15,"failures":[7]}',
        '{"forget_at":9e15,"failures":[["1"]]}',
    ],
)
def test_what_can_not_be_read_in_redis_stops_nobody_from_counting(route, junk):
    other = next(_ids)

    async def scenario() -> None:
        with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as server:
            server.hset("beatra:breakers", str(other), junk)
            async with process() as here, process() as there:
                assert not server.hexists("beatra:breakers", str(other))
                await open_it(here, route)
                await until(lambda: not there.is_healthy(route))
                server.hset("beatra:breakers", str(other), junk)
                await open_it(here, other)
                await until(lambda: not there.is_healthy(other))

    run(scenario)


def test_words_that_are_none_are_passed_over_and_not_repeated(route, caplog):
    async def scenario() -> None:
        with redis.Redis.from_url(settings.REDIS_URL) as server:
            field = f"{next(_ids)} sesame"
            server.hset("beatra:breakers", field, '{"forget_at":9e15,"failures":[]}')
            try:
                async with process() as here, process() as there:
                    for junk in ("sesame", "x open 5", "1 open sesame", "1 open"):
                        server.publish(here._channel, junk)
                    await open_it(here, route)
                    await until(lambda: not there.is_healthy(route))
            finally:
                server.hdel("beatra:breakers", field)

    run(scenario)
    assert "could not be read" in caplog.text
    assert "sesame" not in caplog.text
    assert "not shared" not in caplog.text


# The process's own


def test_the_process_shares_its_breakers_from_start_to_stop(route):
    async def scenario() -> None:
        await fail(breaker, route, account_id=ONE)
        await breaker.start()
        try:
            await until(lambda: breaker._breakers.connected)
            async with process() as there:
                await open_it(there, route)
                await until(lambda: not breaker.is_healthy(route))
                assert await breaker.enter(route, account_id=ONE) is None
        finally:
            await breaker.stop()
        assert breaker.is_healthy(route)
        assert await closed(breaker, route)

    run(scenario)


def test_a_web_process_listens(site):
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        assert eventually(lambda: "beatra-breakers" in [client["name"] for client in server.client_list(_type="pubsub")])
