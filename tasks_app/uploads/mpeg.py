"""Whether bytes are MP3, MPEG audio of layer III: its frames follow each other without a gap, which no text and no script does by chance.

Layers I and II share its MIME type and are no MP3, which is what models take and what `.mp3` promises.
"""

from __future__ import annotations

from typing import BinaryIO, Final

_ENOUGH_FRAMES: Final = 4
_MOST_PADDING: Final = 64 * 1024
_ID3_HEADER: Final = 10
# More than any player writes; a file made of empty tags is looked at no longer
_MOST_TAGS: Final = 16

_LAYER_III: Final = 1
# kbit/s by the four bits of the header, for MPEG 1 and for 2 and 2.5
_KBITS: Final = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def is_mp3(file: BinaryIO, *, size: int) -> bool:
    """Whether `file`, of `size` bytes, is MP3 frames from its start, or from the end of its ID3 tags and the zeros after them."""
    at = frames_at(file)
    kind, frames = None, 0
    while frames < _ENOUGH_FRAMES and at < size:
        file.seek(at)
        frame = _frame(file.read(4))
        if frame is None or kind not in (None, frame[0]):
            break
        kind, length = frame
        frames += 1
        at += length
    # A short file ends within its last frame, or with a tag behind it
    return frames == _ENOUGH_FRAMES or (frames >= 2 and size - at <= 128)


def frames_at(file: BinaryIO) -> int:
    """Where the ID3 tags at the start of `file`, and the zeros after them, end."""
    at = 0
    for _ in range(_MOST_TAGS):
        file.seek(at)
        head = file.read(_ID3_HEADER)
        if len(head) < _ID3_HEADER or not head.startswith(b"ID3") or head[3] == 0xFF or max(head[6:]) > 0x7F:
            break
        has_footer = head[3] == 4 and head[5] & 0x10
        at += _ID3_HEADER + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + (_ID3_HEADER if has_footer else 0)
    if not at:
        return 0
    file.seek(at)
    padding = file.read(_MOST_PADDING)
    return at + len(padding) - len(padding.lstrip(b"\0"))


def _frame(head: bytes) -> tuple[tuple[int, int], int] | None:
    """What stays the same in all frames of a file, and this one's length in bytes. None: these are no four bytes of a frame's head."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, bits, rate_bits = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != _LAYER_III or bits in (0, 15) or rate_bits == 3:
        return None
    rate = _RATES[version][rate_bits]
    bits_per_second = _KBITS[version == 3][bits] * 1000
    padding = head[2] >> 1 & 1
    return (version, rate), (144 if version == 3 else 72) * bits_per_second // rate + padding
