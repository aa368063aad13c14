"""Valkey from the wheel: private, and what it acknowledged survives a kill."""

import stat
from collections.abc import Callable

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from beatra_site.embedded.valkey import Valkey
from tests.embedded.conftest import Start


def test_it_lets_nobody_in_without_the_password(valkey: Callable[[], Valkey], run: Start) -> None:
    server = valkey()
    run(server)
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host="127.0.0.1", port=server.port, retry=Retry(NoBackoff(), 0)).ping()
    assert redis.Redis.from_url(server.url).ping()
    assert stat.S_IMODE((server.folder / "valkey.conf").stat().st_mode) == 0o600


def test_a_killed_server_starts_again_with_everything_acknowledged(valkey: Callable[[], Valkey], run: Start) -> None:
    first = valkey()
    process = run(first)
    client = redis.Redis.from_url(first.url)
    for number in range(200):
        client.rpush("jobs", number)
    process.kill()
    process.wait()
    second = valkey()
    run(second)
    assert redis.Redis.from_url(second.url).llen("jobs") == 200


def test_a_server_left_running_is_ended_by_the_next_start(valkey: Callable[[], Valkey], run: Start) -> None:
    left = valkey()
    process = run(left)
    redis.Redis.from_url(left.url).set("kept", "1")
    following = valkey()
    run(following)
    assert process.wait(1) == 0
    assert redis.Redis.from_url(following.url).get("kept") == b"1"
