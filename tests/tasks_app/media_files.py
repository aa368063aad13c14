"""Small files of every type that uploads take, as programs write them, and files that only look like one."""

from __future__ import annotations

import io
import struct
import wave
import zlib

import lameenc

SCRIPT = b"<html><script>alert(document.domain)</script></html>"


def wav(seconds: float = 1.0, *, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\0\1" * round(seconds * rate))
    return out.getvalue()


def mp3(seconds: float = 1.0) -> bytes:
    """44.1 kHz, mono, 64 kbit/s."""
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(64)
    encoder.set_in_sample_rate(44100)
    encoder.set_channels(1)
    encoder.silence()
    return bytes(encoder.encode(b"\0\1" * round(seconds * 44100)) + encoder.flush())


def id3(content: bytes = b"", *, size: int | None = None) -> bytes:
    """A tag of version 2.4 that says it has `size` bytes."""
    size = len(content) if size is None else size
    return b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + content


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def flac(seconds: float = 2.0, *, rate: int = 8000) -> bytes:
    """Its head, which says how long it is, and the first bytes of a frame."""
    packed = rate << 44 | 0 << 41 | 15 << 36 | round(seconds * rate)
    return b"fLaC\x80\0\0\x22" + struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16) + b"\xff\xf8"


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def mp4(*handlers: bytes, brand: bytes = b"isom", seconds: int = 3) -> bytes:
    """The boxes around one track for each of `handlers`, without what they hold."""
    movie_header = box(b"mvhd", bytes(12) + struct.pack(">II", 1000, seconds * 1000) + bytes(80))
    tracks = [box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + handler + bytes(12)))) for handler in handlers]
    return box(b"ftyp", brand + bytes(4) + brand) + box(b"moov", movie_header + b"".join(tracks))


def matroska(doctype: bytes, *codecs: bytes) -> bytes:
    doctype_element = b"\x42\x82" + bytes([0x80 | len(doctype)]) + doctype
    head = b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(doctype_element)]) + doctype_element
    return head + b"\x18\x53\x80\x67\xff" + b"".join(b"\x86" + bytes([0x80 | len(codec)]) + codec for codec in codecs)


def ogg(packet: bytes, *, granule: int = 0, flags: int = 2, serial: int = 1) -> bytes:
    """One page with one packet."""
    return b"OggS\0" + bytes([flags]) + struct.pack("<qIII", granule, serial, 0, 0) + bytes([1, len(packet)]) + packet


def opus(seconds: float = 2.0) -> bytes:
    head = b"OpusHead\x01\x01" + struct.pack("<HIhB", 0, 48000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)
    return ogg(head) + ogg(tags, flags=0) + ogg(b"\0" * 20, granule=round(seconds * 48000), flags=4)


def ogg_flac(seconds: float = 2.0, *, rate: int = 8000) -> bytes:
    head = b"\x7fFLAC\x01\0\0\x01" + flac(seconds, rate=rate)[:42]
    return ogg(head) + ogg(b"\0" * 20, granule=round(seconds * rate), flags=4)


def vorbis(seconds: float = 2.0, *, rate: int = 8000) -> bytes:
    head = b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 1, rate, 0, 64000, 0, 0xB8, 1)
    return ogg(head) + ogg(b"\0" * 20, granule=round(seconds * rate), flags=4)


def speex(seconds: float = 2.0, *, rate: int = 8000) -> bytes:
    head = b"Speex   " + b"1.2".ljust(20, b"\0") + struct.pack("<III", 1, 80, rate) + bytes(40)
    return ogg(head) + ogg(b"\0" * 20, granule=round(seconds * rate), flags=4)
