"""An MP3 as a decoder walks it, frame by frame, in pure Python: is it whole, how long is it, and is there sound in it?"""

from __future__ import annotations

from dataclasses import dataclass

_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES = (44_100, 48_000, 32_000)


@dataclass(frozen=True)
class Frame:
    """A frame of MPEG 1 layer III in stereo. `gain` is the highest global gain of what is in it, some 100 to 180; 0 is silence."""

    rate: int
    bitrate: int
    gain: int

    @property
    def seconds(self) -> float:
        return 1152 / self.rate


def frames(data: bytes) -> list[Frame]:
    """All frames of an MP3. An ID3 tag may stand in front; anything else that is no frame is an AssertionError."""
    place = 0
    if data[:3] == b"ID3":
        place = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    found = []
    while place < len(data):
        head = data[place : place + 4]
        assert head[0] == 0xFF, f"no frame at byte {place}"
        assert head[1] & 0xFE == 0xFA, f"no frame of MPEG 1 layer III at byte {place}"
        bitrate, rate = _BITRATES[head[2] >> 4], _RATES[head[2] >> 2 & 3]
        length = 144_000 * bitrate // rate + (head[2] >> 1 & 1)
        assert place + length <= len(data), "the last frame is cut"
        side = int.from_bytes(data[place + 4 : place + 36], "big")
        # Behind 20 bits, 59 for each of two granules of two channels: 12 of length, 9 of values, 8 of gain, the rest
        parts = [side >> (256 - 20 - 59 * (part + 1)) for part in range(4)]
        gains = [part >> 30 & 0xFF for part in parts if part >> 47 & 0xFFF]
        found.append(Frame(rate, bitrate, max(gains, default=0)))
        place += length
    return found


def seconds(data: bytes) -> float:
    """How long an MP3 lasts."""
    return sum(frame.seconds for frame in frames(data))


def sounding(data: bytes) -> float:
    """The share of its frames in which there is something to hear."""
    found = frames(data)
    return sum(frame.gain > 110 for frame in found) / len(found)
