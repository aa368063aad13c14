"""Sound as one integer: a lane of 64 bits for each frame, its lowest first. Adding two of them mixes them, whatever their length.

Python adds and shifts integers of megabytes at the speed of memory; sample by sample it would take a hundred times as long. A lane's
number may be negative: it borrows from the lane above, and `lanes` gives that back.
"""

from __future__ import annotations

import sys
from array import array
from functools import lru_cache

BITS = 64


def stretch(samples: array[int]) -> int:
    """Samples (type "q") as one integer."""
    bias = _bias(len(samples), BITS)
    return (int.from_bytes(_little(samples).tobytes(), "little") ^ bias) - bias


def later(sound: int, frames: int) -> int:
    """The same, so many frames later."""
    return sound << (BITS * frames)


def sides(sound: int, left: int, right: int) -> int:
    """A mono sound on two sides, each with its factor: the halves of its lanes, 32 bits each."""
    return sound * left + (sound * right << (BITS // 2))


def quieter(sound: int, bits: int, frames: int) -> int:
    """A mono sound of so many frames, divided by 2 ** bits."""
    bias = _bias(frames, BITS)
    kept = int.from_bytes(((1 << (BITS - bits)) - 1).to_bytes(BITS // 8, "little") * frames, "little")
    return ((sound + bias >> bits) & kept) - (bias >> bits)


def lanes(sound: int, frames: int) -> array[int]:
    """The two sides of a sound, left and right in turn, as numbers of 32 bits."""
    bias = _bias(2 * frames, BITS // 2)
    data = ((sound + bias) & ((1 << BITS * frames) - 1)) ^ bias
    return _little(array("i", data.to_bytes(BITS // 8 * frames, "little")))


@lru_cache(maxsize=512)
def _bias(count: int, bits: int) -> int:
    """Half of what a lane holds, in every lane: with it no lane is negative."""
    return int.from_bytes((1 << (bits - 1)).to_bytes(bits // 8, "little") * count, "little")


def _little(samples: array[int]) -> array[int]:
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    return samples
