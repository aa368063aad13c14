"""What a process remembers of keys, and when it forgets."""

import asyncio

import pytest

from keys.cache import KeyCache
from keys.caller import Caller
from keys.forgetting import obey
from tests.keys.eventually import until

AN_HOUR = 3600.0


def a_caller(*, account_id: int = 1, key_id: int = 1) -> Caller:
    return Caller(account_id, "active", account_id, key_id, "sk-bt-AAAAAA", "test")


def a_digest(number: int) -> str:
    return f"{number:064x}"


class Source:
    """Where the cache loads from; counts how often."""

    def __init__(self, caller: Caller | None = None) -> None:
        self.caller = caller
        self.loads = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, digest: str) -> Caller | None:
        self.loads += 1
        found = self.caller
        await self.gate.wait()
        return found


def test_a_row_is_loaded_once_while_it_is_fresh():
    async def scenario() -> None:
        keys, source = KeyCache(ttl_seconds=AN_HOUR), Source(a_caller())
        assert [await keys.get(a_digest(1), source.load) for _ in range(5)] == [source.caller] * 5
        assert source.loads == 1

    asyncio.run(scenario())


def test_a_row_is_loaded_again_once_it_is_old():
    async def scenario() -> None:
        keys, source = KeyCache(ttl_seconds=0.05), Source(a_caller())
        await keys.get(a_digest(1), source.load)
        source.caller = None

        async def gone() -> bool:
            return await keys.get(a_digest(1), source.load) is None

        await until(gone)
        assert source.loads >= 2

    asyncio.run(scenario())


def test_the_time_of_a_row_counts_from_before_it_was_read():
    async def scenario() -> None:
        keys, source = KeyCache(ttl_seconds=0.05), Source(a_caller())
        source.gate.clear()
        slow = asyncio.create_task(keys.get(a_digest(1), source.load))
        await asyncio.sleep(0.1)
        source.gate.set()
        assert await slow == source.caller
        await keys.get(a_digest(1), source.load)
        assert source.loads == 2

    asyncio.run(scenario())


def test_an_unknown_key_is_not_remembered():
    async def scenario() -> None:
        keys, source = KeyCache(ttl_seconds=AN_HOUR), Source(None)
        for _ in range(3):
            assert await keys.get(a_digest(1), source.load) is None
        assert source.loads == 3
        source.caller = a_caller()
        assert await keys.get(a_digest(1), source.load) == source.caller

    asyncio.run(scenario())


def test_many_who_ask_at_once_share_one_load():
    async def scenario() -> None:
        keys, source = KeyCache(ttl_seconds=AN_HOUR), Source(a_caller())
        source.gate.clear()
        asking = [asyncio.create_task(keys.get(a_digest(1), source.load)) for _ in range(20)]
        await asyncio.sleep(0)
        asking[0].cancel()  # the one that began the load hangs up
        source.gate.set()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert answers[1:] == [source.caller] * 19
        assert source.loads == 1

    asyncio.run(scenario())


def test_a_load_that_fails_fails_for_all_who_waited_and_is_tried_again():
    async def scenario() -> None:
        keys, source = KeyCache(), Source(a_caller())

        async def broken(digest: str) -> Caller | None:
            await asyncio.sleep(0)
            raise ConnectionError

        answers = await asyncio.gather(*(keys.get(a_digest(1), broken) for _ in range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [ConnectionError] * 3
        assert await keys.get(a_digest(1), source.load) == source.caller

    asyncio.run(scenario())


@pytest.mark.parametrize("message", [a_digest(1), "account:1", "something of a later release"])
def test_what_was_being_read_when_the_message_came_is_not_kept(message: str):
    async def scenario() -> None:
        keys, source = KeyCache(ttl_seconds=AN_HOUR), Source(a_caller())
        source.gate.clear()
        before = asyncio.create_task(keys.get(a_digest(1), source.load))
        await until(lambda: source.loads == 1)
        source.caller = None  # the revocation is committed ...
        obey(keys, message)  # ... and said
        after = asyncio.create_task(keys.get(a_digest(1), source.load))
        await until(lambda: source.loads == 2)
        source.gate.set()
        assert await before is not None
        assert await after is None
        assert await keys.get(a_digest(1), source.load) is None

    asyncio.run(scenario())


def test_the_oldest_go_when_it_is_full():
    async def scenario() -> None:
        keys, source = KeyCache(ttl_seconds=AN_HOUR, most_entries=3), Source(a_caller())
        for number in range(5):
            await keys.get(a_digest(number), source.load)
        for number in (2, 3, 4):
            await keys.get(a_digest(number), source.load)
        assert source.loads == 5
        await keys.get(a_digest(0), source.load)
        assert source.loads == 6

    asyncio.run(scenario())
