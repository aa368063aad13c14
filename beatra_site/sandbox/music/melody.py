"""The tune: one phrase over four chords, in two halves of which the second answers the first."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from beatra_site.sandbox.music.harmony import near
from beatra_site.sandbox.music.note import Note, Slot

LONGEST_BEATS = 2.5
WIDEST_LEAP = 9
# How often a note that would be the last one again is another
STEP_ON = 0.7


@dataclass(frozen=True)
class Voice:
    """Who plays or sings: the instrument, the MIDI note around which it moves, how far it rises, and how loud it is."""

    instrument: str
    centre: int
    rise: int
    loud: float


def phrase(slots: Sequence[Slot], voice: Voice, *, motif: str, lines: Sequence[str], counts: tuple[int, int], last: bool) -> Iterator[Note]:
    """The notes over four slots. `lines` of vowels say how many, or `counts`; halves of as many notes share rhythm and shape.

    `motif` seeds it: the same one over other chords is the same tune again. `last`: it comes home to the root at the end.
    """
    before = float(voice.centre)
    for half in range(2):
        pair = slots[2 * half : 2 * half + 2]
        vowels = lines[half] if half < len(lines) else ""
        count = len(vowels) or counts[half]
        rhythm = random.Random(f"{motif}/{count}")  # noqa: S311  # nothing secret
        beats = sum(slot.beats for slot in pair)
        onsets = _onsets(count, beats, rhythm)
        for place, onset in enumerate(onsets):
            end = onsets[place + 1] if place + 1 < len(onsets) else beats
            slot = pair[0] if onset < pair[0].beats else pair[1]
            final = place == len(onsets) - 1
            contour = voice.centre + voice.rise * math.sin(math.pi * (onset / beats * 0.8 + 0.1)) - (3 if half and final else 0)
            pull = contour + rhythm.uniform(-3.5, 3.5)
            accented = onset == int(onset) and (onset in (0, pair[0].beats) or end - onset >= 1 or final)
            if final and last and half:
                pitch = near(before, (slot.chord.root,))
            elif accented:
                pitch = near((before + 2 * pull) / 3, slot.chord.classes)
            else:
                pitch = near(before + math.copysign(2, pull - before), slot.chord.scale)
            if pitch == before and not final and rhythm.random() < STEP_ON:
                pitch = near(before + math.copysign(3.5, pull - before), slot.chord.classes if accented else slot.chord.scale)
            if abs(pitch - before) > WIDEST_LEAP:
                pitch = near(before, slot.chord.classes)
            before = pitch
            yield Note(
                voice.instrument,
                pair[0].start + onset,
                min(LONGEST_BEATS, end - onset) * 0.94,
                pitch,
                voice.loud * (1 if onset == int(onset) else 0.85),
                vowel=vowels[place] if vowels else "",
            )


def _onsets(count: int, beats: int, rhythm: random.Random) -> list[float]:
    """So many places on a grid of half beats, more likely on beats, with room to breathe at the end; of quarters if it gets crowded."""
    grid = 2 if count <= 2 * beats - 3 else 4
    places = list(range(grid * beats - grid))
    weights = {place: 8 if place == 0 else 5 if place % (2 * grid) == 0 else 3 if place % grid == 0 else 1.2 for place in places}
    chosen = sorted(places, key=lambda place: -math.log(1 - rhythm.random()) / weights[place])[:count]
    return [place / grid for place in sorted(chosen)]
