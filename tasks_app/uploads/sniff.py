"""What a file is, read off its bytes: a list of our own of the types that are taken. Name and Content-Type have no say.

    images   PNG, JPEG, GIF, WebP, AVIF, HEIC
    audio    MP3, WAV, FLAC, Ogg (Vorbis, Opus, FLAC, Speex), M4A, WebM without pictures, AIFF
    video    MP4, MOV, WebM, Matroska, AVI, Ogg (Theora)

What opens like one of them and is something else behind it is none: an ID3 tag must be followed by MPEG frames, an MP4 must have a
track, and of audio a length must be found. tinytag finds it, in a file that whoever sent it may have made to hurt, so it reads through
`_Careful`: little at a time, little in all, in so many steps, and not for long. All it does between two reads is look at what it has
read, and it is asked for the length alone, so nothing of it can hang or grow. Of Ogg it would read every packet: ogg.py finds that length.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import BinaryIO, Final

from tinytag import TinyTag

from contract import limits
from tasks_app.uploads.mp4 import tracks_of
from tasks_app.uploads.mpeg import frames_at, is_mp3
from tasks_app.uploads.ogg import seconds_of

_HEAD: Final = 64 * 1024
_MOST_AT_ONCE: Final = limits.MIB
_MOST_READ: Final = 16 * limits.MIB
# As programs write them, files take some twenty; an MP3 of a changing bit rate, without a word on it, 2,500
_MOST_STEPS: Final = 100_000
_MOST_SECONDS: Final = 10.0
_LONGEST: Final = 1_000_000  # seconds; the column holds ten times that

_MOST_FLAC_BLOCKS: Final = 1000

_OGG_AUDIO: Final = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
# A codec's name in a track of WebM or Matroska: the element 86, its length in one byte, and the name
_WEBM_TRACK: Final = re.compile(rb"\x86[\x84-\xa0]([VA])_[A-Z]")

SUFFIXES: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heic",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/mp4": "m4a",
    "audio/webm": "weba",
    "audio/aiff": "aiff",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/ogg": "ogv",
}
"""Every type that is taken, and how its files' names end."""


class NotMediaError(Exception):
    """These bytes are no image, audio or video that is taken. Its text may be shown to whoever sent them."""


@dataclass(frozen=True, slots=True)
class Sniffed:
    """`media_type` is image, audio or video. `duration_seconds` is above 0 for audio, None for the others and for audio in WebM."""

    media_type: str
    mime_type: str
    duration_seconds: Decimal | None = None


def sniff(file: BinaryIO) -> Sniffed:
    """What `file` is. It is read from its start, and left anywhere. Blocks for seconds at the worst. Raises NotMediaError."""
    size = file.seek(0, os.SEEK_END)
    if size > limits.UPLOAD:
        raise NotMediaError(f"The file is larger than {limits.UPLOAD // limits.MIB} MiB.")
    file.seek(0)
    head = file.read(_HEAD)
    mime_type = _mime_type(head, file, size=size)
    if mime_type is None:
        raise NotMediaError("The file is no image, audio or video of a type that is taken.")
    media_type = mime_type.partition("/")[0]
    return Sniffed(media_type, mime_type, _duration(file, mime_type=mime_type) if media_type == "audio" else None)


def _mime_type(head: bytes, file: BinaryIO, *, size: int) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF"):
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12])
    if head.startswith((b"fLaC\0", b"fLaC\x80")):
        return "audio/flac" if _has_flac_frames(file, size=size) else None
    if head.startswith(b"OggS\0"):
        packet = head[27 + head[26] :] if len(head) > 27 else b""
        return "audio/ogg" if packet.startswith(_OGG_AUDIO) else "video/ogg" if packet.startswith(b"\x80theora") else None
    if head[4:8] == b"ftyp":
        return _of_mp4(head[8:12], file, size=size)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _of_matroska(head)
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    return "audio/mpeg" if is_mp3(file, size=size) else None


def _of_mp4(brand: bytes, file: BinaryIO, *, size: int) -> str | None:
    if brand in (b"avif", b"avis"):
        return "image/avif"
    if brand in (b"heic", b"heix", b"mif1"):
        return "image/heic"
    tracks = tracks_of(file, size=size)
    if b"vide" in tracks:
        return "video/quicktime" if brand == b"qt  " else "video/mp4"
    return "audio/mp4" if b"soun" in tracks else None


def _has_flac_frames(file: BinaryIO, *, size: int) -> bool:
    """Whether a frame follows the blocks at the start."""
    at, is_last = 4, False
    for _ in range(_MOST_FLAC_BLOCKS):
        if is_last or at >= size:
            break
        file.seek(at)
        block = file.read(4)
        is_last, at = block[:1] >= b"\x80", at + 4 + int.from_bytes(block[1:], "big")
    file.seek(at)
    return is_last and file.read(2) in (b"\xff\xf8", b"\xff\xf9")


def _of_matroska(head: bytes) -> str | None:
    kinds = {match[1] for match in _WEBM_TRACK.finditer(head)}
    is_webm = b"webm" in head[:64]
    if b"V" in kinds:
        return "video/webm" if is_webm else "video/x-matroska"
    return "audio/webm" if is_webm and b"A" in kinds else None


def _duration(file: BinaryIO, *, mime_type: str) -> Decimal | None:
    """Seconds of audio, to the millisecond. Raises NotMediaError where there are none."""
    if mime_type == "audio/webm":
        return None  # a recording in a browser says no length in its head
    try:
        seconds = seconds_of(file) if mime_type == "audio/ogg" else _told_by_tinytag(file, mime_type=mime_type)
    except Exception:  # of any kind: it walks through bytes that mean anything
        seconds = None
    if seconds is None or not 0 < seconds < _LONGEST:
        raise NotMediaError("The file says that it is audio, but it cannot be read as such.")
    return max(Decimal(repr(seconds)).quantize(Decimal("0.001")), Decimal("0.001"))


def _told_by_tinytag(file: BinaryIO, *, mime_type: str) -> float | None:
    # It knows one tag, and would go through another one and through zeros by fours
    careful = _Careful(file, start=frames_at(file) if mime_type == "audio/mpeg" else 0)
    return TinyTag.get(file_obj=careful, tags=False, duration=True).duration  # type: ignore[arg-type]  # what it uses of a file


class _Careful:
    """A file from `start` on that gives little at once, little in all, in so many reads and seeks, and nothing once its time is over."""

    def __init__(self, file: BinaryIO, *, start: int = 0) -> None:
        self._file = file
        self._start = start
        self._left = _MOST_READ
        self._steps = _MOST_STEPS
        self._until = time.monotonic() + _MOST_SECONDS
        file.seek(start)

    def read(self, size: int = -1) -> bytes:
        """Raises OSError where it has given enough."""
        self._step()
        if not 0 <= size <= min(_MOST_AT_ONCE, self._left):
            raise OSError("this file asks for too much")
        data = self._file.read(size)
        self._left -= len(data)
        return data

    def seek(self, to: int, whence: int = os.SEEK_SET) -> int:
        """Raises OSError where it has been asked often enough."""
        self._step()
        return self._file.seek(self._start + to if whence == os.SEEK_SET else to, whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def _step(self) -> None:
        self._steps -= 1
        if self._steps < 0 or time.monotonic() > self._until:
            raise OSError("this file asks for too much")
