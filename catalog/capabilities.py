"""What can be done with the models: the one table of capabilities, their labels and their endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from catalog.models import Capability
from contract.answers import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityInfo:
    """One capability as the public catalog has it. `of` is the kind of model (`Model.capability`) that has it."""

    id: str
    of: Capability
    display_name: str
    label: Label
    endpoint: str
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]


CAPABILITIES = (
    CapabilityInfo(
        id="chat",
        of=Capability.CHAT,
        display_name="Chat completions",
        label="Available",
        endpoint="/v1/chat/completions",
        input_modalities=("text",),
        output_modalities=("text",),
    ),
    CapabilityInfo(
        id="text_to_music",
        of=Capability.MUSIC,
        display_name="Text to music",
        label="Preview",
        endpoint="/v1/music/text-to-music",
        input_modalities=("text",),
        output_modalities=("audio",),
    ),
    CapabilityInfo(
        id="reference_audio_to_music",
        of=Capability.MUSIC,
        display_name="Reference audio to music",
        label="Preview",
        endpoint="/v1/music/reference-audio-to-music",
        input_modalities=("text", "audio"),
        output_modalities=("audio",),
    ),
)


def of_kind(kind: str) -> Iterator[CapabilityInfo]:
    """The capabilities of a kind of model."""
    return (capability for capability in CAPABILITIES if capability.of == kind)
