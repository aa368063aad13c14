"""Which kinds of tracks an MP4 or MOV file has: its boxes' heads are read, nothing of what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

# More than any player writes; a file made of empty boxes is looked at no longer
_MOST_BOXES: Final = 10_000


def tracks_of(file: BinaryIO, *, size: int) -> set[bytes]:
    """The handlers of the file's tracks, b"vide" and b"soun" among them; empty where it is no such file, or has none."""
    left = [_MOST_BOXES]
    return {
        handler for start, end in _inside(file, (b"moov", b"trak", b"mdia"), 0, size, left) if (handler := _handler(file, start, end, left))
    }


def _inside(file: BinaryIO, path: tuple[bytes, ...], start: int, end: int, left: list[int]) -> Iterator[tuple[int, int]]:
    """Where the contents of the boxes at `path` begin and end."""
    if not path:
        yield start, end
        return
    for kind, inner, after in _boxes(file, start, end, left):
        if kind == path[0]:
            yield from _inside(file, path[1:], inner, after, left)


def _handler(file: BinaryIO, start: int, end: int, left: list[int]) -> bytes | None:
    for kind, inner, _ in _boxes(file, start, end, left):
        if kind == b"hdlr":
            file.seek(inner + 8)
            return file.read(4)
    return None


def _boxes(file: BinaryIO, start: int, end: int, left: list[int]) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between `start` and `end`: their kind, and where their content begins and ends."""
    while start + 8 <= end and left[0] > 0:
        left[0] -= 1
        file.seek(start)
        head = file.read(16)
        length, kind, inner = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if length == 1:
            length, inner = int.from_bytes(head[8:16], "big"), start + 16
        after = end if length == 0 else start + length
        if after < inner or after > end:
            return
        yield kind, inner, after
        start = after
