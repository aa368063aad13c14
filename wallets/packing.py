"""A stored answer as it lies under its seal: compressed, or only a word that it was too large to keep.

The first byte says which; what was sealed before there was one is JSON, and begins with a brace.
"""

from __future__ import annotations

import zlib
from typing import Final

# A charge waits for no more than this to be written beside it. Nearly all answers are a thousandth of it; log probabilities, the largest
# there are, become a tenth of their size.
MOST_BYTES: Final = 8 * 1024 * 1024
_COMPRESSED: Final = b"\1"
_TOO_LARGE: Final = b"\2"


class NotKeptError(Exception):
    """The answer was too large to be kept."""


def pack(answer: bytes) -> bytes:
    """`answer` as it is sealed, `MOST_BYTES` at the most."""
    packed = _COMPRESSED + zlib.compress(answer, 1)
    return packed if len(packed) <= MOST_BYTES else _TOO_LARGE


def unpack(packed: bytes) -> bytes:
    """What `pack` was given. Raises NotKeptError if that was too large."""
    if packed == _TOO_LARGE:
        raise NotKeptError
    return zlib.decompress(packed[1:]) if packed[:1] == _COMPRESSED else packed
