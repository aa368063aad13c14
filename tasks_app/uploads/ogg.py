"""How long Ogg audio is: its first page says the rate, its last one how many samples there are. What is between is not read."""

from __future__ import annotations

import os
import re
from typing import BinaryIO, Final

_PAGE: Final = 27 + 255 + 255 * 255
_OPUS_RATE: Final = 48000


def seconds_of(file: BinaryIO) -> float | None:
    """Of the first stream of `file`, which may be Vorbis, Opus, FLAC or Speex. None: it says no length."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    first = file.read(_PAGE)
    rate, skipped = _rate(first[27 + first[26] :]) if len(first) > 27 else (0, 0)
    # The last page of another stream may stand behind this one's
    file.seek(max(0, size - 2 * _PAGE))
    ends = re.findall(rb"OggS\0.(.{8})" + re.escape(first[14:18]), file.read(2 * _PAGE), re.DOTALL)
    samples = max((int.from_bytes(end, "little", signed=True) for end in ends), default=0) - skipped
    return samples / rate if rate and samples > 0 else None


def _rate(packet: bytes) -> tuple[int, int]:
    """Samples a second, and how many of them are not played; 0 for one of no codec."""
    if packet.startswith(b"\x01vorbis"):
        return int.from_bytes(packet[12:16], "little"), 0
    if packet.startswith(b"OpusHead"):
        return _OPUS_RATE, int.from_bytes(packet[10:12], "little")
    if packet.startswith(b"\x7fFLAC"):
        return int.from_bytes(packet[27:30], "big") >> 4, 0
    if packet.startswith(b"Speex   "):
        return int.from_bytes(packet[36:40], "little"), 0
    return 0, 0
