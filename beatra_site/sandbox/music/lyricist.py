"""Lyrics where none were given and somebody shall sing: a few lines, the same for the same prompt."""

from __future__ import annotations

import random

_VERSE = (
    "Morning on the window, coffee on the stove",
    "Every street is singing of the things we know",
    "I was counting heartbeats underneath the rain",
    "You were drawing circles on a foggy pane",
    "Paper boats and lanterns drifting out to sea",
    "All the little harbours calling you and me",
)
_CHORUS = (
    "Oh, carry me over the blue",
    "Hold on to the light, I will follow it through",
    "Here we are, here we are, not so far from home",
    "Under every star there is a road of our own",
)


def write(prompt: str) -> str:
    """Four lines, of a verse and of a chorus."""
    seed = random.Random(f"lyrics/{prompt}")  # noqa: S311  # nothing secret
    verse, chorus = seed.choice((0, 2, 4)), seed.choice((0, 2))
    return "\n".join(("[Verse]", *_VERSE[verse : verse + 2], "[Chorus]", *_CHORUS[chorus : chorus + 2]))
