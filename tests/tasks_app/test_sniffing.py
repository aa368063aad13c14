"""What a file is, is told by its bytes alone; and no bytes can make the telling take long or much."""

import io
import struct
import time

import pytest

from tasks_app.uploads import sniff as sniffing
from tasks_app.uploads.sniff import NotMediaError, sniff
from tests.tasks_app import media_files as files


@pytest.mark.parametrize(
    ("data", "mime_type", "seconds"),
    [
        (files.png(), "image/png", None),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "image/jpeg", None),
        (b"GIF89a" + bytes(20), "image/gif", None),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp", None),
        (files.box(b"ftyp", b"avif\0\0\0\0mif1"), "image/avif", None),
        (files.wav(1.5), "audio/wav", 1.5),
        (files.mp3(3), "audio/mpeg", 3),
        (files.id3(b"\0" * 300) + files.mp3(3), "audio/mpeg", 3),
        (files.id3() + files.id3(b"\0" * 30) + bytes(500) + files.mp3(3), "audio/mpeg", 3),
        (files.id3() + files.id3(b"a picture" * 200_000) + files.mp3(3), "audio/mpeg", 3),
        (files.mp3(3)[:2000], "audio/mpeg", None),
        (files.flac(2), "audio/flac", 2),
        (files.opus(2), "audio/ogg", 2),
        (files.vorbis(2), "audio/ogg", 2),
        (files.ogg_flac(2), "audio/ogg", 2),
        (files.speex(2), "audio/ogg", 2),
        (files.opus(2) + files.ogg(b"\0" * 20, granule=10**9, serial=2), "audio/ogg", 2),
        (files.opus(0)[:-48] + files.ogg(bytes(200)) * 100_000 + files.opus(2)[-48:], "audio/ogg", 2),
        (files.mp4(b"soun", brand=b"M4A "), "audio/mp4", 3),
        (files.mp4(b"soun"), "audio/mp4", 3),
        (files.mp4(b"soun", b"vide"), "video/mp4", None),
        (files.mp4(b"vide", brand=b"qt  "), "video/quicktime", None),
        (files.matroska(b"webm", b"V_VP9", b"A_OPUS"), "video/webm", None),
        (files.matroska(b"webm", b"A_OPUS"), "audio/webm", None),
        (files.matroska(b"matroska", b"V_MPEG4/ISO/AVC"), "video/x-matroska", None),
        (b"RIFF\x24\0\0\0AVI LIST", "video/x-msvideo", None),
    ],
)
def test_a_type_is_known_by_its_bytes(data: bytes, mime_type: str, seconds: float | None):
    sniffed = sniff(io.BytesIO(data))
    assert (sniffed.mime_type, sniffed.media_type) == (mime_type, mime_type.partition("/")[0])
    assert sniffed.mime_type in sniffing.SUFFIXES
    if seconds is not None:
        assert float(sniffed.duration_seconds) == pytest.approx(seconds, abs=0.15)
    elif sniffed.media_type != "audio":
        assert sniffed.duration_seconds is None


@pytest.mark.parametrize(
    "data",
    {
        "nothing": b"",
        "one byte": b"x",
        "html": files.SCRIPT,
        "text": b"just words\n" * 100,
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
        "pdf": b"%PDF-1.7\n",
        "zip": b"PK\x03\x04" + bytes(100),
        "a program": b"\x7fELF" + bytes(100),
        "an ID3 tag and a script": files.id3(b"\0" * 20) + files.SCRIPT * 50,
        "a script in an ID3 tag": files.id3(files.SCRIPT),
        "an ID3 tag alone": files.id3(b"\0" * 100),
        "an ID3 tag longer than the file": files.id3(files.SCRIPT, size=2**28 - 1),
        "an ID3 tag, a script and music": files.id3() + files.SCRIPT + files.mp3(1),
        "a script and music": files.SCRIPT + files.mp3(1),
        "an MPEG frame's head and a script": b"\xff\xfb\x90\x64" + files.SCRIPT,
        "an MPEG frame and a script": files.mp3(1)[:209] + files.SCRIPT * 20,
        "MPEG audio of layer I": (b"\xff\xff\x80\xc0" + bytes(272)) * 10,
        "MPEG audio of layer II": (b"\xff\xfd\x80\xc0" + bytes(413)) * 10,
        "ff alone": b"\xff" * 5000,
        "RIFF of something": b"RIFF\x24\0\0\0SFBKLIST",
        "WAVE without sound": b"RIFF\x24\0\0\0WAVE" + files.SCRIPT,
        "WAVE at a rate of 0": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0" + bytes(12) + b"data\x04\0\0\0abcd",
        "FLAC and a script": b"fLaC\0\0\0\x22" + files.SCRIPT,
        "FLAC without an end": files.flac(0),
        "Ogg of something": files.ogg(b"\x01other"),
        "Ogg with a script": files.ogg(b"OpusHead" + files.SCRIPT),
        "an M4A's head": files.box(b"ftyp", b"M4A \0\0\0\0M4A ") + files.SCRIPT,
        "an M4A without a track": files.mp4(brand=b"M4A "),
        "WebM without a track": files.matroska(b"webm"),
        "Matroska with subtitles": files.matroska(b"matroska", b"S_TEXT/UTF8"),
    }.items(),
    ids=lambda pair: pair[0],
)
def test_what_is_something_else_is_not_taken(data: tuple[str, bytes]):
    with pytest.raises(NotMediaError):
        sniff(io.BytesIO(data[1]))


def test_a_file_over_the_limit_is_not_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sniffing.limits, "UPLOAD", 1000)
    with pytest.raises(NotMediaError, match="larger"):
        sniff(io.BytesIO(files.wav(1)))


class Greedy(io.BytesIO):
    """Counts what is read of it, in how large pieces, and in how many steps."""

    most = total = steps = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.most, self.total, self.steps = max(self.most, len(data)), self.total + len(data), self.steps + 1
        return data

    def seek(self, to: int, whence: int = 0) -> int:
        self.steps += 1
        return super().seek(to, whence)


@pytest.mark.parametrize(
    "data",
    {
        "a WAV whose format is 90 MiB": b"RIFF\xff\xff\xff\x7fWAVEfmt " + struct.pack("<I", 90 * 2**20) + bytes(90 * 2**20),
        "an Ogg whose packet never ends": (ogg_page := b"OggS\0\2" + bytes(20) + b"\xff" + b"\xff" * 255 + b"OpusHead" + bytes(65017))
        * 900,
        "an Ogg of empty pages": files.ogg(b"OpusHead\x01\x01" + bytes(9)) + (b"OggS\0\0" + bytes(20) + b"\0") * 1_000_000,
        "an MP4 of empty boxes": files.box(b"ftyp", b"M4A ") + files.box(b"free") * 1_000_000,
        "a FLAC of empty blocks": b"fLaC" + b"\0\0\0\0" * 5_000_000,
        "an MP3 of empty tags": files.id3() * 2_000_000,
        "an MP3 of some frames and nothing": files.mp3(1)[:836] + bytes(128) + bytes(8 * 2**20),
        "an MP3 of zeros behind its tags": files.id3() * 2 + bytes(60_000) + files.id3() + files.mp3(1)[:836] + bytes(8 * 2**20),
        "a WAV of empty chunks": b"RIFF\xff\xff\xff\x7fWAVE" + b"none\0\0\0\0" * 1_000_000,
        "an AIFF of empty chunks": b"FORM\x7f\xff\xff\xffAIFF" + b"none\0\0\0\0" * 1_000_000,
        "an M4A of empty boxes": files.mp4(b"soun", brand=b"M4A ").replace(b"mvhd", b"none") + files.box(b"free") * 1_000_000,
        "an M4A of empty tracks": files.box(b"ftyp", b"M4A \0\0\0\0") + files.box(b"moov", files.box(b"trak") * 1_000_000),
        "an Ogg of pages without an end": files.ogg(b"OpusHead\x01\x01" + bytes(9))
        + (b"OggS\0\0" + bytes(20) + b"\xff" + bytes(255)) * 30_000,
    }.items(),
    ids=lambda pair: pair[0],
)
def test_a_file_made_to_hurt_is_given_up_early(data: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch):
    file = Greedy(data[1])
    with pytest.raises(NotMediaError):
        sniff(file)
    assert file.most <= 1024 * 1024
    assert file.total <= 18 * 1024 * 1024
    assert file.steps <= 130_000


def test_a_file_as_programs_write_them_is_read_in_few_steps():
    padded = files.id3() + files.id3(b"\0" * 30) + bytes(64 * 1024 - 100) + files.mp3(3)
    for data, most in ((files.wav(60), 50), (files.mp3(60), 50), (files.opus(60), 50), (files.mp4(b"soun"), 100), (padded, 50)):
        file = Greedy(data)
        sniff(file)
        assert file.steps <= most


def test_reading_ends_with_its_time(monkeypatch: pytest.MonkeyPatch):
    careful = sniffing._Careful(io.BytesIO(b"x" * 100))
    assert careful.read(10) == b"x" * 10
    now = time.monotonic()
    monkeypatch.setattr(sniffing.time, "monotonic", lambda: now + 60)
    with pytest.raises(OSError, match="too much"):
        careful.read(10)
