"""Samples to an MP3, and its title in front of it."""

from __future__ import annotations

from array import array

import lameenc

PIECE_BYTES = 4 * 1024


def encode(samples: array[int], *, rate: int, out_rate: int, bitrate: int) -> bytes:
    """An MP3 of 16-bit stereo samples at `rate`, resampled to `out_rate`; `bitrate` in bits a second."""
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(bitrate // 1000)
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(out_rate)
    encoder.set_channels(2)
    encoder.set_quality(7)
    encoder.silence()
    data = samples.tobytes()
    # The encoder's buffer is too small for much at once where it has to add samples
    pieces = [bytes(encoder.encode(data[start : start + PIECE_BYTES])) for start in range(0, len(data), PIECE_BYTES)]
    return b"".join((*pieces, bytes(encoder.flush())))


def tagged(song: bytes, *, title: str) -> bytes:
    """The MP3 with its title in an ID3v2.3 tag."""
    if not title:
        return song
    text = b"\x01" + title.encode("utf-16", "replace")
    frame = b"TIT2" + len(text).to_bytes(4, "big") + b"\0\0" + text
    size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame + song
