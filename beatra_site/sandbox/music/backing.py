"""What is under the tune: the chords as each instrument plays them, the bass, the arpeggio."""

from __future__ import annotations

import random
from collections.abc import Iterator

from beatra_site.sandbox.music.harmony import Chord, near
from beatra_site.sandbox.music.note import Note, Slot

SUSTAINED = ("strings", "choir", "saws", "brass")
# Around which MIDI note the bass lies
BASS = 40


def chords(slot: Slot, instrument: str, *, loud: float, full: bool, seed: random.Random) -> Iterator[Note]:
    """The chord for its slot: held by what can hold, struck, strummed or driven by the rest. `full`: as in a chorus."""
    voices = slot.chord.voices
    if instrument in SUSTAINED:
        for pitch in voices:
            yield Note(instrument, slot.start, slot.beats, pitch, loud)
    elif instrument == "drive":
        power = (near(BASS + 12, (slot.chord.root,)), near(BASS + 19, (slot.chord.classes[2],)))
        for step in range(2 * slot.beats if full else slot.beats):
            beats = 0.5 if full else 1.0
            for pitch in power:
                yield Note(instrument, slot.start + step * beats, beats * 0.9, pitch, loud * (1 if step % 2 == 0 else 0.8))
    elif instrument == "square":
        for step in range(2 * slot.beats):
            if step % 2:
                for pitch in voices:
                    yield Note(instrument, slot.start + step / 2, 0.3, pitch, loud * 0.6)
    elif instrument == "guitar":
        # Down on the beat, up between, and no strum is as even as the next
        for step in range(2 * slot.beats if full else slot.beats):
            at = step * (0.5 if full else 1)
            if full and step % 4 == 1 and seed.random() < 0.7:
                continue
            order = voices if at == int(at) else voices[::-1]
            for string, pitch in enumerate(order):
                yield Note(instrument, slot.start + at + 0.025 * string, 1, pitch, loud * (1 if at == 0 else 0.7) * seed.uniform(0.85, 1))
    else:
        yield from _struck(slot, instrument, loud=loud, full=full)


def _struck(slot: Slot, instrument: str, *, loud: float, full: bool) -> Iterator[Note]:
    """Once, rolled from below and from left to right, and in a chorus again off the beat."""
    times = [0.0, 1.5, 2.5] if full and slot.beats >= 4 else [0.0, float(slot.beats // 2)] if full else [0.0]
    for place, at in enumerate(times):
        end = times[place + 1] if place + 1 < len(times) else slot.beats
        for string, pitch in enumerate(slot.chord.voices):
            weight = loud * (1 if at == 0 else 0.8)
            yield Note(instrument, slot.start + at + 0.012 * string, end - at, pitch, weight, pan=0.25 * string - 0.3)


def arpeggio(slot: Slot, instrument: str, *, loud: float, steps: int, octave: int) -> Iterator[Note]:
    """The chord up and down, note by note, `steps` to a beat, wandering from side to side."""
    voices = [pitch + 12 * octave for pitch in (*slot.chord.voices, slot.chord.voices[0] + 12)]
    path = voices + voices[-2:0:-1]
    for step in range(steps * slot.beats):
        pitch = path[step % len(path)]
        accent = 1 if step % steps == 0 else 0.75
        yield Note(instrument, slot.start + step / steps, 1.2 / steps, pitch, loud * accent, pan=0.5 if step % 2 else -0.5)


def bass(slot: Slot, following: Chord, instrument: str, line: str, *, loud: float) -> Iterator[Note]:
    """The bass line of a slot, by the name that the genre gives it."""
    root = near(BASS, (slot.chord.root,))
    fifth = near(root + 5, (slot.chord.classes[2],))
    third = near(root + 3, (slot.chord.classes[1],))
    for at, beats, pitch in _line(line, slot.beats, root, third, fifth, near(BASS, (following.root,))):
        yield Note(instrument, slot.start + at, beats, pitch, loud * (1 if at == 0 else 0.85))


def _line(line: str, beats: int, root: int, third: int, fifth: int, next_root: int) -> list[tuple[float, float, int]]:
    match line:
        case "long":
            return [(0, beats, root)]
        case "waltz":
            return [(0, beats - 1, root), (beats - 1, 0.9, fifth)]
        case "offbeat":
            return [(beat + shift, 0.4, root + (12 if shift and beat % 2 else 0)) for beat in range(beats) for shift in (0, 0.5)]
        case "eighths":
            return [(step / 2, 0.45, root if step < 2 * beats - 1 else fifth) for step in range(2 * beats)]
        case "walking":
            approach = next_root + (1 if next_root < root else -1)
            return [(beat, 0.9, pitch) for beat, pitch in enumerate((root, third, fifth, approach) if beats == 4 else (root, approach))]
        case "bossa":
            return [(at, 0.5 if at % 1 else 1.3, pitch) for beat in range(0, beats, 2) for at, pitch in ((beat, root), (beat + 1.5, fifth))]
        case _:
            second = [(beats - 0.5, 0.45, fifth)] if beats > 2 else []
            return [(0, beats / 2 - 0.1, root), (beats / 2, beats / 2 - 0.6 if second else beats / 2 - 0.1, root), *second]
