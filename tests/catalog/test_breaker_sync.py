"""Workers meet the same breakers as calls do: opened, tried and closed by either side."""

import asyncio
import time

import pytest
from django.conf import settings

from catalog import breaker_sync
from catalog.breaker_sync import SyncBreakers, SyncPass
from tests.catalog.test_breaker import ONE, OTHER, closed, lines, open_it, process, relay, route, run, through
from tests.keys.eventually import until
from tests.relay import Relay

__all__ = ["relay", "route"]  # fixtures

THRESHOLD = 3


@pytest.fixture
def workers() -> SyncBreakers:
    return SyncBreakers(settings.REDIS_URL, threshold=THRESHOLD, open_seconds=100)


def enter(breakers: SyncBreakers, route: int, *, account_id: int = ONE) -> SyncPass:
    found = breakers.enter(route, account_id=account_id, seconds=100)
    assert found
    return found


def fail(breakers: SyncBreakers, route: int, *accounts: int) -> None:
    for tried in [enter(breakers, route, account_id=account) for account in accounts]:
        tried.failed()


def is_open(breakers: SyncBreakers, route: int) -> bool:
    found = breakers.enter(route, account_id=ONE, seconds=100)
    if found:
        found.dropped()
    return found is None


def due(route: int, *, after_seconds: float = 0) -> None:
    """Open the route such that it is due for a trial, at once or soon."""
    fail(SyncBreakers(settings.REDIS_URL, threshold=2, open_seconds=after_seconds), route, ONE, OTHER)


def test_failures_of_two_accounts_open_it_and_those_of_one_do_not(workers, route, caplog):
    fail(workers, route, *[ONE] * (2 * THRESHOLD))
    assert not is_open(workers, route)
    fail(workers, route, OTHER)
    assert is_open(workers, route)
    assert is_open(SyncBreakers(settings.REDIS_URL), route), "in every worker"
    assert len(lines(caplog, "a breaker opened", route)) == 1


def test_a_success_starts_the_count_again(workers, route):
    fail(workers, route, ONE, OTHER)
    enter(workers, route).succeeded()
    fail(workers, route, ONE, OTHER)
    assert not is_open(workers, route)


def test_what_ends_without_a_verdict_counts_for_nothing_and_only_the_first_word_counts(workers, route):
    for account in (ONE, OTHER) * THRESHOLD:
        tried = enter(workers, route, account_id=account)
        tried.succeeded()
        tried.failed()
        enter(workers, route, account_id=account).dropped()
    assert not is_open(workers, route)


def test_one_trial_is_let_through(workers, route):
    due(route)
    assert enter(workers, route).trial
    assert is_open(workers, route)


def test_a_failed_trial_opens_it_for_twice_as_long(workers, route, caplog):
    due(route, after_seconds=0.05)
    while (trial := workers.enter(route, account_id=ONE, seconds=100)) is None:
        pass
    trial.failed()
    assert [line.open_seconds for line in lines(caplog, "a breaker opened", route)] == [0.05, 0.1]


def test_a_trial_that_is_dropped_is_free_for_another(workers, route):
    due(route)
    enter(workers, route).dropped()
    assert enter(workers, route).trial


def test_a_trial_that_succeeds_closes_it(workers, route, caplog):
    due(route)
    enter(workers, route).succeeded()
    passes = [enter(workers, route) for _ in range(3)]
    assert not any(tried.trial for tried in passes)
    assert lines(caplog, "a breaker closed", route)


def test_the_trial_of_a_worker_that_died_is_free_when_its_time_is_over(workers, route, monkeypatch):
    monkeypatch.setattr(breaker_sync, "TRIAL_MARGIN_SECONDS", 0)
    due(route)
    lost = workers.enter(route, account_id=ONE, seconds=0)
    assert lost and lost.trial
    assert enter(workers, route).trial != lost.trial


def test_what_a_worker_opens_is_open_for_calls_and_closed_for_them_by_its_trial(workers, route):
    async def scenario() -> None:
        async with process() as web:
            await asyncio.to_thread(fail, workers, route, ONE, OTHER, ONE)
            await until(lambda: not web.is_healthy(route))
        await asyncio.to_thread(forget, route)
        await asyncio.to_thread(due, route)
        async with process() as web:
            await asyncio.to_thread(lambda: enter(workers, route).succeeded())
            await until(lambda: web.is_healthy(route))
            assert await closed(web, route)

    def forget(route: int) -> None:
        workers._client.hdel("beatra:breakers", str(route))

    run(scenario)


def test_what_calls_open_is_open_for_workers(workers, route):
    async def scenario() -> None:
        async with process(open_seconds=100) as web:
            await open_it(web, route)
        assert await asyncio.to_thread(is_open, workers, route)

    run(scenario)


def test_without_redis_everything_is_let_through_and_its_address_is_never_said(route, relay: Relay, caplog):
    workers = SyncBreakers(through(relay), threshold=2, open_seconds=100)
    fail(workers, route, ONE, OTHER)
    assert is_open(workers, route)
    relay.cut()
    for account in (ONE, OTHER, ONE, OTHER):
        tried = enter(workers, route, account_id=account)
        tried.failed()
        tried.succeeded()
    assert lines(caplog, "no talk with Redis", route)
    assert str(relay.port) not in caplog.text
    relay.restore()
    deadline = time.monotonic() + 30
    while not is_open(workers, route):
        assert time.monotonic() < deadline, "Redis is back, and not asked"


def test_a_redis_that_never_answers_is_waited_for_once(route, relay: Relay, monkeypatch, caplog):
    monkeypatch.setattr(breaker_sync, "_PAUSE_SECONDS", 100)
    workers = SyncBreakers(through(relay))
    enter(workers, route).dropped()
    relay.mute()
    for _ in range(5):
        enter(workers, route).failed()
    assert len(lines(caplog, "no talk with Redis", route)) == 1


def test_without_an_address_everything_is_let_through(route):
    fail(SyncBreakers("", threshold=1), route, ONE, OTHER, ONE)


def test_workers_have_the_sites_breakers(route):
    tried = breaker_sync.enter(route, account_id=ONE, seconds=1)
    assert tried
    tried.succeeded()
