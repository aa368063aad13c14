"""Where songs are made: one at a time, each in a process of its own with little priority, and the last ones kept."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections import OrderedDict
from dataclasses import asdict

import orjson

from beatra_site.sandbox.music.mp3 import tagged
from beatra_site.sandbox.music.song import Order, compose

KEPT_BYTES = 48 * 1024 * 1024
RATE = 32_000
# For tests, which ask for hundreds of songs: whatever is asked, one of so few, and dull
SKETCHES = 4
SKETCH_RATE = 8_000

_Key = tuple[Order, int, int]


class Studio:
    """Makes songs. With `sketches` they are quickly made: one of a few, chosen by what was asked, at a low rate inside."""

    def __init__(self, *, sketches: bool) -> None:
        self._sketches = sketches
        self._turn = asyncio.Semaphore(1)
        self._making: dict[_Key, asyncio.Task[bytes]] = {}
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._kept_bytes = 0

    def seconds(self, order: Order) -> float:
        """How long the song of an order is, without making it."""
        return compose(self._drawn(order)).seconds

    async def song(self, order: Order, *, sample_rate: int = 44_100, bitrate: int = 192_000, title: str = "") -> bytes:
        """The song of an order as an MP3; `sample_rate` in hertz, `bitrate` in bits a second."""
        key = (self._drawn(order), sample_rate, bitrate)
        if key not in self._kept:
            if key not in self._making:
                self._making[key] = asyncio.create_task(self._make(key))
            # Who stops waiting does not stop it for the others
            return tagged(await asyncio.shield(self._making[key]), title=title)
        self._kept.move_to_end(key)
        return tagged(self._kept[key], title=title)

    async def _make(self, key: _Key) -> bytes:
        order, sample_rate, bitrate = key
        rate = SKETCH_RATE if self._sketches else RATE
        wish = {"order": asdict(order), "rate": rate, "out_rate": sample_rate, "bitrate": bitrate}
        try:
            async with self._turn:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "beatra_site.sandbox.music",
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                )
                song, _ = await process.communicate(orjson.dumps(wish))
            if process.returncode or not song:
                raise RuntimeError("the studio made no song")
            self._keep(key, song)
            return song
        finally:
            del self._making[key]

    def _keep(self, key: _Key, song: bytes) -> None:
        self._kept[key] = song
        self._kept_bytes += len(song)
        while self._kept_bytes > KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest)

    def _drawn(self, order: Order) -> Order:
        if not self._sketches:
            return order
        asked = f"{order.prompt}/{order.lyrics}/{order.reference}"
        return Order(f"sketch {zlib.crc32(asked.encode()) % SKETCHES}", take=order.take)
