"""Names whose servers never answer: they cost their caller, and nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from contract.resolving import SHARE, THREADS, Resolver, on_behalf_of


class Servers:
    """A resolver's answers: a name that begins with `slow` has none until the test is over."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.over = threading.Event()

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.over.wait(60)
        return ["93.184.215.14"]


@pytest.fixture
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.over.set()


async def asked(resolver: Resolver, whose: str, *hosts: str) -> list[list[str] | BaseException]:
    """What `whose` lookups come to, all asked at once."""
    on_behalf_of.set(whose)
    return await asyncio.gather(*(resolver(host, 443) for host in hosts), return_exceptions=True)


def test_a_name_that_is_not_answered_is_not_waited_for(servers: Servers):
    (answer,) = asyncio.run(asked(Resolver(servers, wait_seconds=0.1), "a", "slow.example"))
    assert isinstance(answer, TimeoutError)


def test_slow_names_take_no_more_than_their_callers_share(servers: Servers):
    """They keep their threads when they are given up: the caller waits, all others are answered."""
    resolver = Resolver(servers, wait_seconds=0.5)

    async def run() -> None:
        slow = [f"slow{number}.example" for number in range(THREADS + SHARE)]
        assert all(isinstance(answer, TimeoutError) for answer in await asked(resolver, "a", *slow))
        assert len(servers.asked) == SHARE
        (own,) = await asked(resolver, "a", "quick.example")
        assert isinstance(own, TimeoutError)
        assert await asked(resolver, "b", "quick.example") == [["93.184.215.14"]]

    asyncio.run(run())


def test_a_share_comes_back_when_its_names_are_answered(servers: Servers):
    resolver = Resolver(servers, wait_seconds=5)

    async def run() -> None:
        held = asyncio.create_task(asked(resolver, "a", *[f"slow{number}.example" for number in range(SHARE)]))
        while len(servers.asked) < SHARE:
            await asyncio.sleep(0.01)
        servers.over.set()
        assert await held == [["93.184.215.14"]] * SHARE
        assert await asked(resolver, "a", *["quick.example"] * SHARE * 3) == [["93.184.215.14"]] * SHARE * 3

    asyncio.run(run())
