"""What the drums play: bars of sixteenths, a digit of loudness (9 is loudest) or a dot for each."""

from __future__ import annotations

import random
from collections.abc import Iterator

from beatra_site.sandbox.music.note import Note

PATTERNS: dict[str, dict[str, str]] = {
    "pop": {"kick": "9.....5.8.......", "snare": "....8.......8...", "hat": "6.4.6.4.6.4.6.4."},
    "dance": {"kick": "9...9...9...9...", "clap": "....7.......7...", "open_hat": "..6...6...6...6.", "hat": "3333333333333333"},
    "rock": {"kick": "9.....7.9.7.....", "snare": "....9.......9...", "hat": "7.5.7.5.7.5.7.5."},
    "lofi": {"kick": "8......5..7.....", "snare": "....6.......6..2", "hat": "5.3.5.3.5.3.5.34"},
    "swing": {"ride": "7...7.5.7...7.5.", "kick": "4.......4.......", "hat": "....5.......5...", "snare": "......2.......3."},
    "latin": {"kick": "7.....57....57..", "rim": "6..6..6...6..6..", "shaker": "5343534353435343"},
    "brushes": {"kick": "6.......5.......", "snare": "....4.......4..2", "shaker": "4.2.4.2.4.2.4.2."},
    "epic": {"tom": "9.....6.8..5..6.", "kick": "8.......8.......", "shaker": "3.2.3.2.3.2.3.2."},
    "waltz": {"kick": "8...........", "snare": "....3...3...", "hat": "5...4...4..."},
}
# How far to a side each of the set stands
PANS = {"hat": 0.35, "open_hat": 0.35, "ride": -0.4, "shaker": -0.45, "tom": -0.2, "rim": 0.25, "clap": 0.1}


def bar(name: str, start: float, *, beats: int, loud: float, full: bool, seed: random.Random) -> Iterator[Note]:
    """One bar; when not `full` without the off-beat hats and the second kick, as in a verse."""
    for drum, steps in PATTERNS[name].items():
        for step, sign in enumerate(steps[: 4 * beats]):
            quiet = not full and (step % 4 and drum in ("kick", "hat", "open_hat", "shaker") and name not in ("swing", "latin", "lofi"))
            if sign != "." and not quiet:
                yield _hit(drum, start + step / 4, loud * int(sign) / 9 * seed.uniform(0.85, 1))


def fill(start: float, *, beats: int, loud: float) -> Iterator[Note]:
    """The last beat before a new section: a roll that swells."""
    for step in range(4):
        yield _hit("tom" if step % 2 else "snare", start + beats - 1 + step / 4, loud * (0.45 + 0.12 * step))


def crash(start: float, *, loud: float) -> Note:
    """A cymbal as a section begins."""
    return _hit("crash", start, loud)


def _hit(drum: str, start: float, loud: float) -> Note:
    return Note(drum, start, 0, loud=loud, pan=PANS.get(drum, 0))
