"""A note of a song, and the slot of a chord."""

from __future__ import annotations

from dataclasses import dataclass

from beatra_site.sandbox.music.harmony import Chord


@dataclass(frozen=True)
class Note:
    """Times in beats. `pitch` is a MIDI note (for drums nothing), `loud` and `pan` from 0 to 1 and -1 to 1, `vowel` for the voice."""

    instrument: str
    start: float
    beats: float
    pitch: int = 0
    loud: float = 0.7
    pan: float = 0
    vowel: str = ""


@dataclass(frozen=True)
class Slot:
    """How long a chord lasts, in beats of the song."""

    start: float
    beats: int
    chord: Chord
