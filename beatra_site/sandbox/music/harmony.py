"""Scales, progressions, and chords whose voices move as little as they can."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product

MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)

# By degrees of the scale, counted from 0
PROGRESSIONS = {
    (False, False): ((0, 4, 5, 3), (0, 5, 3, 4), (0, 2, 3, 4), (0, 3, 5, 4), (5, 3, 0, 4)),
    (False, True): ((3, 4, 2, 5), (0, 4, 5, 3), (3, 0, 4, 5), (0, 3, 1, 4), (3, 4, 0, 5)),
    (True, False): ((0, 5, 2, 6), (0, 3, 5, 4), (0, 6, 5, 6), (0, 2, 6, 3), (0, 3, 0, 4)),
    (True, True): ((5, 6, 0, 2), (0, 5, 2, 6), (3, 6, 2, 5), (5, 2, 6, 0), (0, 5, 3, 4)),
}
JAZZ = {False: ((1, 4, 0, 5), (0, 5, 1, 4), (2, 5, 1, 4)), True: ((0, 3, 1, 4), (5, 1, 4, 0), (0, 5, 1, 4))}
# Where the chords lie: the middle of the keyboard
CENTRE = 62


@dataclass(frozen=True)
class Chord:
    """A chord: its root as a pitch class, its pitch classes, the MIDI notes it is played on, and the scale above it."""

    root: int
    classes: tuple[int, ...]
    voices: tuple[int, ...]
    scale: tuple[int, ...]


def progression(seed: random.Random, *, minor: bool, chorus: bool, jazz: bool) -> tuple[int, ...]:
    """Four degrees of the scale."""
    return seed.choice(JAZZ[minor] if jazz else PROGRESSIONS[minor, chorus])


def chord(degree: int, *, key: int, minor: bool, sevenths: bool, before: Chord | None) -> Chord:
    """The chord on a degree, voiced near the one before. In minor the fifth degree has its leading note."""
    steps = MINOR if minor else MAJOR
    if minor and degree == 4:
        steps = (*MINOR[:6], 11)
    scale = tuple((key + step) % 12 for step in steps)
    classes = tuple(scale[(degree + third) % 7] for third in ((0, 2, 4, 6) if sevenths else (0, 2, 4)))
    return Chord(scale[degree], classes, _voiced(classes, before), scale)


def _voiced(classes: tuple[int, ...], before: Chord | None) -> tuple[int, ...]:
    target = before.voices if before else tuple(CENTRE + shift for shift in ((-6, -1, 3, 7) if len(classes) == 4 else (-5, 0, 4)))
    options = [[note for note in range(CENTRE - 9, CENTRE + 12) if note % 12 == pitch] for pitch in classes]
    candidates = (tuple(sorted(notes)) for notes in product(*options))
    spread = [notes for notes in candidates if notes[-1] - notes[0] <= 14]
    return min(
        spread, key=lambda notes: (sum(abs(a - b) for a, b in zip(notes, target, strict=True)), abs(sum(notes) / len(notes) - CENTRE))
    )


def near(note: float, classes: tuple[int, ...]) -> int:
    """The MIDI note of these pitch classes that is nearest."""
    return min(range(round(note) - 7, round(note) + 8), key=lambda found: (found % 12 not in classes, abs(found - note)))
