"""A song from intro to outro: `compose` writes its notes. The same order gives the same song, to the note."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from beatra_site.sandbox.music import backing, drums
from beatra_site.sandbox.music.harmony import Chord, chord, progression
from beatra_site.sandbox.music.melody import Voice, phrase
from beatra_site.sandbox.music.note import Note, Slot
from beatra_site.sandbox.music.syllables import Line, sung
from beatra_site.sandbox.music.words import Mood, read

# The last chord rings so long
RINGING_SECONDS = 2.6
LONGEST_PHRASE_SECONDS = 9
SHORTEST_SECONDS = 19.0


@dataclass(frozen=True)
class Order:
    """What a song is made of. Takes are other tunes of the same prompt; a `reference` (any text, a digest say) gives its tune and key."""

    prompt: str
    lyrics: str = ""
    take: int = 0
    reference: str = ""


@dataclass(frozen=True)
class Song:
    """The notes of a song, by their beginning. `beat` is the length of a beat in seconds."""

    mood: Mood
    notes: tuple[Note, ...]
    beat: float
    beats: float

    @property
    def seconds(self) -> float:
        """How long it lasts, with what rings on."""
        return self.beats * self.beat + RINGING_SECONDS


def compose(order: Order) -> Song:
    """Writes the song of an order."""
    tune = order.reference or order.prompt
    mood = read(order.prompt, seed=random.Random(f"mood/{tune}/{order.take // 2}"))  # noqa: S311  # nothing secret
    writer = _Writer(mood, f"{tune}/{order.take}", sung(order.lyrics))
    notes = [_played(note, mood, writer.seed) for note in writer.write()]
    return Song(mood, tuple(sorted(notes, key=lambda note: note.start)), 60 / mood.tempo, writer.beats)


def _played(note: Note, mood: Mood, seed: random.Random) -> Note:
    """As a hand plays it: off-beats swung, nothing on the dot."""
    start = note.start
    eighth = start * 2 % 2
    if mood.genre.swing and 0.9 < eighth < 1.6:
        start += mood.genre.swing / 2
    start += seed.gauss(0, 0.004) * mood.tempo / 60
    return replace(note, start=max(0.0, start), loud=min(1.0, note.loud * seed.uniform(0.93, 1.05)))


class _Writer:
    """Writes one song, section by section."""

    def __init__(self, mood: Mood, motif: str, lines: list[Line]) -> None:
        self.mood = mood
        self.seed = random.Random(f"notes/{motif}")  # noqa: S311  # nothing secret
        self._motif = motif
        self._lines = lines
        bar = mood.beats * 60 / mood.tempo
        # Slow songs have two chords a bar: a phrase shall not last for ever
        self._slot_beats = mood.beats if 4 * bar <= LONGEST_PHRASE_SECONDS or mood.waltz else mood.beats // 2
        phrase_seconds = 4 * self._slot_beats * 60 / mood.tempo
        phrases = next(count for count in (2, 3, 4, 5) if (count + 1) * phrase_seconds >= SHORTEST_SECONDS)
        self._sections = {2: "vc", 3: "vcC", 4: "vVcC", 5: "vVcCC"}[phrases]
        self.beats = float((phrases + 1) * 4 * self._slot_beats)
        self._chord: Chord | None = None

    def write(self) -> Iterator[Note]:
        mood, genre = self.mood, self.mood.genre
        jazz = genre.sevenths
        verse = progression(self.seed, minor=mood.minor, chorus=False, jazz=jazz)
        chorus = progression(self.seed, minor=mood.minor, chorus=True, jazz=jazz)
        at = 0.0
        intro = self._slots(at, verse[:2])
        yield from self._intro(intro)
        at += 2 * self._slot_beats
        waiting = {"v": [line.vowels for line in self._lines if not line.chorus], "c": [line.vowels for line in self._lines if line.chorus]}
        if not (waiting["c"] and waiting["v"]):
            every = [line.vowels for line in self._lines]
            waiting = {"v": every[:2] + every[4:6], "c": every[2:4] + every[6:8] or every[:2]}
        for place, section in enumerate(self._sections):
            kind = section.lower()
            slots = self._slots(at, chorus if kind == "c" else verse)
            lines, waiting[kind] = waiting[kind][:2], waiting[kind][2:] or waiting[kind][:2]
            yield from self._section(slots, section, lines, last=place == len(self._sections) - 1)
            at += 4 * self._slot_beats
        yield from self._outro(self._slots(at, (3 if mood.minor or jazz else 4, 0)))

    def _slots(self, start: float, degrees: tuple[int, ...]) -> list[Slot]:
        slots = []
        for place, degree in enumerate(degrees):
            self._chord = chord(degree, key=self.mood.key, minor=self.mood.minor, sevenths=self.mood.genre.sevenths, before=self._chord)
            slots.append(Slot(start + place * self._slot_beats, self._slot_beats, self._chord))
        return slots

    def _intro(self, slots: list[Slot]) -> Iterator[Note]:
        genre, mood = self.mood.genre, self.mood
        for slot in slots:
            yield from backing.chords(slot, genre.chords, loud=0.5, full=False, seed=self.seed)
            if genre.arpeggio:
                yield from backing.arpeggio(slot, genre.arpeggio, loud=0.5, steps=1 if mood.energy < 0.4 else 2, octave=1)
        if genre.drums and mood.energy > 0.35:
            yield from drums.fill(slots[-1].start - mood.beats + self._slot_beats, beats=mood.beats, loud=0.5)

    def _section(self, slots: list[Slot], section: str, lines: list[str], *, last: bool) -> Iterator[Note]:
        genre, mood = self.mood.genre, self.mood
        full = section in "cC"
        loud = 0.62 + 0.15 * full + 0.08 * (section == "C")
        for slot, following in zip(slots, [*slots[1:], slots[0]], strict=True):
            yield from backing.chords(slot, genre.chords, loud=loud, full=full, seed=self.seed)
            yield from backing.bass(slot, following.chord, genre.bass, genre.bass_line, loud=loud)
            if genre.arpeggio and (full or section == "V"):
                steps = 4 if mood.energy > 0.6 and mood.tempo < 135 else 2
                yield from backing.arpeggio(slot, genre.arpeggio, loud=0.5 * loud + 0.1, steps=steps, octave=1)
        yield from self._drums(slots, full=full, loud=loud, last=last)
        # Notes of half a phrase, which is two chords long
        few = max(3, round((0.65 if mood.energy < 0.4 else 0.85) * 2 * self._slot_beats))
        counts = (few + 1, few + 1) if full else (few + self.seed.randint(-1, 0), few)
        motif = f"{self._motif}/{section.lower()}"
        singer = Voice("voice", 64 if full else 60, 6 if full else 4, 0.9)
        player = Voice(genre.lead, 74 if full else 69, 6 if full else 4, loud)
        if lines:
            yield from phrase(slots, singer, motif=motif, lines=lines, counts=counts, last=last)
            if section == "C":
                yield from phrase(slots, replace(player, loud=0.45), motif=f"{motif}/above", lines=(), counts=(3, 3), last=last)
        else:
            yield from phrase(slots, player, motif=motif, lines=(), counts=counts, last=last)

    def _drums(self, slots: list[Slot], *, full: bool, loud: float, last: bool) -> Iterator[Note]:
        genre, mood = self.mood.genre, self.mood
        if not genre.drums:
            return
        start, beats = slots[0].start, mood.beats
        bars = 4 * self._slot_beats // beats
        if full:
            yield drums.crash(start, loud=0.55 * loud)
        for number in range(bars):
            yield from drums.bar(genre.drums, start + number * beats, beats=beats, loud=loud, full=full, seed=self.seed)
        if not last and genre.drums != "swing":
            yield from drums.fill(start + (bars - 1) * beats, beats=beats, loud=0.7 * loud)

    def _outro(self, slots: list[Slot]) -> Iterator[Note]:
        """Back to how it began, and home: the last chord rings."""
        genre = self.mood.genre
        leaving, home = slots
        yield from backing.chords(leaving, genre.chords, loud=0.5, full=False, seed=self.seed)
        yield from backing.bass(leaving, home.chord, genre.bass, "long", loud=0.55)
        if genre.arpeggio:
            yield from backing.arpeggio(leaving, genre.arpeggio, loud=0.45, steps=1, octave=1)
        yield Note(genre.bass, home.start, home.beats, home.chord.root % 12 + 36, 0.55)
        instrument = genre.chords if genre.chords not in ("square", "guitar") else "choir" if genre.chords == "square" else "guitar"
        for string, pitch in enumerate(home.chord.voices):
            yield Note(instrument, home.start + 0.08 * string, home.beats + 1, pitch, 0.55)
        yield Note(genre.lead, home.start + 0.5, home.beats - 0.5, home.chord.voices[0] + 12, 0.4)
        if genre.drums and self.mood.energy > 0.35:
            yield drums.crash(home.start, loud=0.35)
