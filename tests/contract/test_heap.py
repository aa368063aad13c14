"""The garbage collector of a web process."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from contract.heap import settle_heap


@pytest.fixture
def heap_as_it_was() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("heap_as_it_was")
def test_a_settled_heap_is_out_of_the_collectors_sight():
    asyncio.run(settle_heap())
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == 50_000
