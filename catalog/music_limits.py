"""What the music models take: one table, by family.

A model's family is the transport of its routes, all of which speak one dialect. The numbers live here alone: requests and references
are held against them, and `/v1/catalog/models` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from contract.limits import MIB, UPLOAD

FIELDS = ("lyrics", "title", "instrumental", "metadata", "model_options")
"""The optional fields that every music model takes."""

REFERENCE_TYPES: Mapping[str, str] = MappingProxyType({"audio/flac": "FLAC", "audio/mpeg": "MP3", "audio/wav": "WAV"})
"""What a reference may be, by the MIME type of its content, as people call it."""

DATA_URI_BYTES = 7 * MIB
"""The most a reference sent as a data URI may have, decoded: in base64 it fits a body of 10 MiB."""


@dataclass(frozen=True, slots=True)
class Span:
    """From how much to how much, both included: of characters or of seconds, as the field says."""

    minimum: int
    maximum: int

    def holds(self, amount: int | float | Decimal) -> bool:
        return self.minimum <= amount <= self.maximum


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting of `model_options`. A number has its range and step, a string its choices or its length in characters."""

    type: Literal["boolean", "number", "string"]
    description: str
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    step: Decimal | None = None
    choices: tuple[str, ...] = ()
    max_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLimits:
    """The audio to go by, and what can't be had with it."""

    seconds: Span
    most_bytes: int
    instrumental: bool = True
    refused_options: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicLimits:
    """What a family takes. Lengths are characters; a None says that nothing else holds there than without.

    `options_name` is the family's name in `model_options`. Where `custom_mode` is an option, lyrics are taken only with it, a title is
    required with it, and vocals then need lyrics. Where `lyrics_optimizer` is one, vocals need lyrics unless it is on.
    """

    options_name: str
    clips: int
    prompt: Span
    prompt_in_custom_mode: Span | None = None
    prompt_with_reference: Span | None = None
    lyrics: Span
    lyrics_with_reference: Span | None = None
    title: Span
    reference: ReferenceLimits
    options: Mapping[str, Option] = field(hash=False)


def _weight(description: str) -> Option:
    return Option(type="number", minimum=Decimal(0), maximum=Decimal(1), step=Decimal("0.01"), description=description)


FAMILIES: Mapping[str, MusicLimits] = MappingProxyType(
    {
        "suno": MusicLimits(
            options_name="suno",
            clips=2,
            prompt=Span(1, 500),
            prompt_in_custom_mode=Span(1, 1000),
            lyrics=Span(1, 5000),
            title=Span(1, 80),
            reference=ReferenceLimits(seconds=Span(0, 480), most_bytes=UPLOAD),
            options=MappingProxyType(
                {
                    "custom_mode": Option(type="boolean", description="The prompt is the style, and the lyrics are yours. Needs a title."),
                    "style_weight": _weight("How closely the style is kept to."),
                    "weirdness_constraint": _weight("How far from the usual it may go."),
                    "audio_weight": _weight("How much a reference counts."),
                    "negative_tags": Option(type="string", max_length=200, description="Styles and instruments to do without."),
                    "vocal_gender": Option(type="string", choices=("m", "f"), description="Whose voice sings; a hint."),
                }
            ),
        ),
        "minimax_music": MusicLimits(
            options_name="minimax",
            clips=1,
            prompt=Span(1, 2000),
            prompt_with_reference=Span(10, 300),
            lyrics=Span(1, 3500),
            lyrics_with_reference=Span(10, 1000),
            title=Span(1, 100),
            reference=ReferenceLimits(
                seconds=Span(6, 360), most_bytes=50 * MIB, instrumental=False, refused_options=frozenset({"lyrics_optimizer"})
            ),
            options=MappingProxyType(
                {"lyrics_optimizer": Option(type="boolean", description="Write the lyrics from the prompt where none are given.")}
            ),
        ),
    }
)
"""By transport."""
