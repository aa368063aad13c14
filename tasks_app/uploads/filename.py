"""A file's name as its sender gave it, made fit to be shown and to be offered for saving. It never names a file of ours."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MOST_CHARACTERS: Final = 255
_LONGEST_SUFFIX: Final = 10
# Other than spaces: control characters, marks that turn the reading direction, surrogates, private ones, and line separators
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(name: str) -> str:
    """The last part of the path that `name` may be, without anything invisible, in at most 255 characters. May be empty."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    name = "".join(" " if character in '<>:"|?*' else character for character in name if unicodedata.category(character) not in _HIDDEN)
    name = " ".join(name.split()).strip(". ")
    if len(name) <= MOST_CHARACTERS:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > _LONGEST_SUFFIX:
        return name[:MOST_CHARACTERS]
    return stem[: MOST_CHARACTERS - len(dot + suffix)] + dot + suffix
