"""What a prompt wants to hear, read from its words; what they leave open, the seed decides."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Genre:
    """A way to play. Tempo in beats a minute; the instruments are those of `timbres.py`, empty for none; `drums` of `drums.py`."""

    tempo: tuple[int, int]
    chords: str
    lead: str
    bass: str
    arpeggio: str
    drums: str
    bass_line: str = "steady"
    swing: float = 0
    sevenths: bool = False
    minor: float = 0.4
    waltz: bool = False


@dataclass(frozen=True)
class Mood:
    """How one song is to be. `key` is its root as a MIDI note from 48 to 59, `tempo` in beats a minute, `energy` from 0 to 1."""

    genre: Genre
    tempo: int
    minor: bool
    key: int
    waltz: bool
    energy: float

    @property
    def beats(self) -> int:
        return 3 if self.waltz else 4


POP = Genre((96, 116), "piano", "flute", "bass", "pluck", "pop")
GENRES: tuple[tuple[str, Genre], ...] = (
    (
        "techno|edm|house|electro\\w*|trance|dance|disco|club|rave",
        Genre((120, 128), "saws", "square", "synth_bass", "pluck", "dance", "offbeat"),
    ),
    ("synth\\w*|retrowave|80s", Genre((100, 116), "saws", "glide", "synth_bass", "pluck", "pop", "eighths", minor=0.6)),
    (
        "chiptune|8[- ]?bit|arcade|video ?games?",
        Genre((128, 144), "square", "square", "synth_bass", "square", "dance", "eighths", minor=0.3),
    ),
    ("metal|punk|rock|grunge", Genre((118, 144), "drive", "drive", "bass", "", "rock", "eighths", minor=0.6)),
    (
        "lo-?fi|hip[- ]?hop|rap|trap|chill\\w*|r&b|soul",
        Genre((76, 90), "tines", "flute", "bass", "tines", "lofi", "steady", 0.16, True, 0.6),
    ),
    ("jazz\\w*|swing|blues|bebop|lounge", Genre((112, 138), "tines", "reed", "bass", "", "swing", "walking", 0.3, True)),
    ("bossa|samba|latin|salsa|reggae\\w*|tropical", Genre((104, 122), "guitar", "reed", "bass", "guitar", "latin", "bossa", 0, True)),
    (
        "folk|country|acoustic|guitar|ukulele|campfire",
        Genre((92, 112), "guitar", "flute", "bass", "guitar", "brushes", "steady", minor=0.3),
    ),
    ("ambient|meditat\\w*|sleep\\w*|drone|spa|space", Genre((60, 72), "choir", "bell", "soft_bass", "bell", "", "long")),
    ("lullab\\w*|music ?box|christmas|bells?|nursery", Genre((76, 92), "choir", "bell", "soft_bass", "bell", "", "long", minor=0.1)),
    ("epic|cinematic|film|trailer|heroic", Genre((84, 104), "strings", "brass", "soft_bass", "strings", "epic", "steady", minor=0.8)),
    (
        "orchestra\\w*|classical|strings?|violin|baroque|symphon\\w*",
        Genre((80, 108), "strings", "reed", "soft_bass", "guitar", "", "steady"),
    ),
    ("piano|ballad|nocturne", Genre((68, 88), "piano", "flute", "soft_bass", "piano", "", "long")),
    ("waltz", replace(POP, tempo=(96, 120), chords="strings", drums="waltz", bass_line="waltz", waltz=True)),
)
TEMPOS: tuple[tuple[str, tuple[int, int]], ...] = (
    ("very slow|largo", (56, 62)),
    ("slow\\w*|lento|adagio|calm\\w*|gentle|relax\\w*|peaceful|sleepy|dreamy", (64, 76)),
    ("very fast|presto|frantic", (150, 160)),
    ("fast|quick|upbeat|energetic|driving|uptempo|allegro|workout|running", (132, 146)),
    ("medium|moderate|andante|mid-?tempo", (92, 106)),
)
MINOR = "minor|sad\\w*|dark\\w*|melanchol\\w*|moody|lonely|tragic|gloomy|mournful|mysterious|angry|tense|haunting|rain\\w*|night\\w*"
MAJOR = "major|happy|joy\\w*|bright|cheerful|sunny|uplifting|hopeful|fun|playful|summer|love\\w*|party|sweet"
QUIET = "slow\\w*|calm\\w*|gentle|soft\\w*|quiet\\w*|sad\\w*|peaceful|relax\\w*|sleep\\w*|ambient|lullab\\w*"
LOUD = "fast|loud|energetic|epic|dance|party|driving|powerful|rock|metal|punk|workout|anthem"
ROOTS = {"c": 48, "d": 50, "e": 52, "f": 53, "g": 55, "a": 57, "b": 59}


def read(words: str, *, seed: random.Random) -> Mood:
    """The mood of a prompt. Always draws the same number of values of `seed`."""
    said = words.lower()
    share, key, wish, tone = seed.random(), seed.randrange(48, 60), seed.random(), seed.random()
    genre = next((genre for pattern, genre in GENRES if _says(said, pattern)), POP)
    least, most = next((span for pattern, span in TEMPOS if _says(said, pattern)), genre.tempo)
    tempo = round(least + share * (most - least))
    if exact := re.search(r"\b(\d{2,3}) ?bpm\b", said):
        tempo = max(56, min(170, int(exact[1])))
    minor = wish < genre.minor
    if _says(said, MINOR) != _says(said, MAJOR):
        minor = _says(said, MINOR)
    named = re.search(r"\b(?:in|key of) ([a-g])( ?sharp| ?flat|#|b)?(?: (minor|major))?\b", said)
    if named and (named[2] or named[3]):
        shift = 0 if not named[2] else 1 if named[2].strip() in ("sharp", "#") else -1
        key = 48 + (ROOTS[named[1]] + shift) % 12
    waltz = genre.waltz or _says(said, "waltz|3/4")
    if waltz:
        # A slower one would be no song of half a minute any more
        tempo = max(88, tempo)
        genre = replace(genre, bass_line="waltz", drums="waltz" if genre.drums else "")
    energy = 0.5 + 0.3 * _says(said, LOUD) - 0.3 * _says(said, QUIET) + 0.2 * (tone - 0.5)
    return Mood(genre, tempo, minor, key, waltz, energy)


def _says(words: str, pattern: str) -> bool:
    return re.search(rf"\b(?:{pattern})\b", words) is not None
