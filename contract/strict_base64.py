"""base64 as it must be: no line breaks, no padding but at the end, nothing beyond the alphabet."""

from __future__ import annotations

import binascii
from collections.abc import Iterator

_PIECE = 4 * 65_536  # characters; a whole number of base64's fours


def decoded(encoded: str) -> Iterator[bytes]:
    """The bytes in `encoded`, piece by piece, the first of them there always. Raises ValueError if it is no base64.

    In pieces, because decoding holds the interpreter's lock: 8 MiB in one would stop the event loop for 20 ms.
    """
    if len(encoded) % 4 or encoded.find("=", 0, -2) != -1:
        raise ValueError("not whole, or padded in the middle")
    for at in range(0, len(encoded) or 1, _PIECE):
        yield binascii.a2b_base64(encoded[at : at + _PIECE], strict_mode=True)
