"""Notes to stereo samples: each in its place from left to right, with echo and room, faded out, and all songs equally loud."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from operator import mul

from beatra_site.sandbox.music.note import Note
from beatra_site.sandbox.music.song import RINGING_SECONDS, Song
from beatra_site.sandbox.music.stretch import lanes, later, quieter, sides, stretch
from beatra_site.sandbox.music.timbres import level, sound, wide

# Root mean square of both sides over the blocks that are not near silence, as a share of full scale, and how far peaks go
LOUDNESS_DBFS = -18.5
CEILING = 0.84
BLOCK_SECONDS = 0.4
GATE_DB = -10
FADE_SECONDS = 2.2
# Seconds of the room's reflections, for the left and for the right: three stages make them dense
ROOM = (
    ((0.0131, 0.0297, 0.0413, 0.0571), (0.0797, 0.1193, 0.1637), (0.2011, 0.3407)),
    ((0.0113, 0.0271, 0.0449, 0.0617), (0.0733, 0.1259, 0.1571), (0.2213, 0.3203)),
)


def mix(song: Song, *, rate: int) -> array[int]:
    """The song as samples of 16 bits, left and right in turn, `rate` frames a second."""
    frames = int(song.seconds * rate)
    dry: dict[int, int] = defaultdict(int)
    room: dict[int, int] = defaultdict(int)
    echo: dict[int, int] = defaultdict(int)
    sounds: dict[tuple[object, ...], int] = {}
    for note in song.notes:
        second, start = divmod(int(note.start * song.beat * rate), rate)
        loudness, in_room, in_echo = level(note.instrument)
        for cents, pan in _halves(note):
            # Lengths in eighths of a beat: what sounds the same is made once
            seconds = math.ceil(note.beats * 8) / 8 * song.beat
            key = (note.instrument, note.pitch, cents, seconds, note.vowel)
            if key not in sounds:
                pitch = note.pitch + cents / 100
                sounds[key] = stretch(sound(note.instrument, pitch, seconds, vowel=note.vowel, rate=rate))
            placed = later(sounds[key], start)
            loud = 48 * loudness * note.loud * (0.6 if cents else 1)
            angle = (pan + 1) * math.pi / 4
            dry[second] += sides(placed, round(loud * math.cos(angle)), round(loud * math.sin(angle)))
            room[second] += placed * round(loud * in_room)
            if in_echo:
                echo[second] += placed * round(loud * in_echo)
    stereo = _joined(dry, rate) + _room(_joined(room, rate), frames, rate)
    stereo += _echo(_joined(echo, rate), int(song.beat * 0.75 * rate))
    return _mastered(stereo, frames, rate)


def _halves(note: Note) -> list[tuple[float, float]]:
    """Cents and place of the one or two sources of a note."""
    cents = wide(note.instrument)
    if not cents:
        return [(0, note.pan)]
    spread = 0.3 if cents < 8 else 0.65
    return [(-cents / 2, note.pan - spread if note.pan > -0.3 else -0.9), (cents / 2, note.pan + spread if note.pan < 0.3 else 0.9)]


def _joined(seconds: dict[int, int], rate: int) -> int:
    whole = 0
    for second, part in seconds.items():
        whole += later(part, second * rate)
    return whole


def _room(sound: int, frames: int, rate: int) -> int:
    """What comes back from the walls, duller than it went out."""
    for gap in (1, 2, 3) if rate > 30_000 else (1, 2):
        sound += later(sound, gap)
    sides_heard = []
    for stages in ROOM:
        heard = sound
        for stage in stages:
            heard = sum(later(heard, int(seconds * rate)) * weight for seconds, weight in zip(stage, (7, 6, 5, 4), strict=False))
        whole = heard.bit_length() // 64 + 2
        sides_heard.append(quieter(heard, 12, max(whole, frames)))
    left, right = sides_heard
    return left + (right << 32)


def _echo(sound: int, gap: int) -> int:
    """Three repeats, from side to side, each fainter."""
    return sum(later(sides(sound, *factors), gap * number) for number, factors in enumerate(((3, 1), (0, 2), (1, 0)), 1))


def _mastered(stereo: int, frames: int, rate: int) -> array[int]:
    samples = lanes(stereo, frames)
    peak = max(max(samples), -min(samples), 1)
    # As many bits as there are, of which the upper half is kept
    upper = array("h", lanes(stereo * (0x7FFFFFFF // peak), frames).tobytes())[1::2]
    gain = 10 ** (LOUDNESS_DBFS / 20) / loudness(upper, rate)
    table = [round(32767 * _limited(value / 32768 * gain)) for value in (*range(32768), *range(-32768, 0))]
    heard = array("h", map(table.__getitem__, upper))
    _fade(heard, rate)
    return heard


def _limited(value: float) -> float:
    """Untouched up to a knee, bent above it, never over the ceiling."""
    knee = 0.55
    size = abs(value)
    if size <= knee:
        return value
    room = CEILING - knee
    return math.copysign(knee + room * math.tanh((size - knee) / room), value)


def _fade(samples: array[int], rate: int) -> None:
    count = 2 * int(min(FADE_SECONDS, RINGING_SECONDS) * rate)
    start = len(samples) - count
    for place in range(count):
        share = 1 - place / count
        samples[start + place] = int(samples[start + place] * share * share)


def loudness(samples: array[int], rate: int) -> float:
    """The root mean square of 16-bit stereo samples as a share of full scale, over blocks no more than 10 dB below the mean of all."""
    size = 2 * int(BLOCK_SECONDS * rate)
    # Every seventh is enough, and hits both sides in turn
    blocks = [samples[start : start + size : 7] for start in range(0, len(samples) - size + 1, size)]
    powers = [sum(map(mul, block, block)) / len(block) for block in blocks]
    gate = sum(powers) / len(powers) * 10 ** (GATE_DB / 10)
    kept = [power for power in powers if power >= gate]
    return max(1.0, math.sqrt(sum(kept) / len(kept))) / 32768
