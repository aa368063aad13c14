"""What lyrics are sung on: the vowels of their syllables, line by line. Words themselves the stand-in can't sing."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_SYLLABLES = 12
_SOUNDS = {"a": "a", "e": "e", "i": "i", "y": "i", "o": "o", "u": "u"}


@dataclass(frozen=True)
class Line:
    """A line of a verse or of a chorus, as the vowels of its syllables."""

    chorus: bool
    vowels: str


def sung(lyrics: str) -> list[Line]:
    """The lines that are sung; `[Chorus]` and its like say what follows."""
    lines: list[Line] = []
    chorus = False
    for text in lyrics.splitlines():
        if tag := re.fullmatch(r"\s*\[([^\]]*)\]\s*", text):
            chorus = bool(re.search("chorus|hook", tag[1], re.IGNORECASE))
        elif text.strip():
            lines.append(Line(chorus, _vowels(text)[:MOST_SYLLABLES]))
    return lines


def _vowels(text: str) -> str:
    found = []
    for word in re.findall(r"[^\W\d_]+", text.lower()):
        groups = re.findall(r"[aeiouyäöüáéíóúàèìòù]+", re.sub(r"(?<=[^aeiouy])e$", "", word)) or [word[-1]]
        found += [_SOUNDS.get(group[0], "a") for group in groups]
    return "".join(found) or "u"
