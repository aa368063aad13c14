"""What `music_generation` takes: unknown fields and what breaks a documented rule are refused with 2013.

Not here: streams, links (`output_format: url`), other formats than MP3, and features of a cover's preprocessing.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from beatra_site.sandbox.minimax.refusals import Refusal
from beatra_site.sandbox.music.reference import FetchError, Reference, fetch, measure

TEXT_MODELS = ("music-3.0", "music-3.0-free", "music-2.6", "music-2.6-free", "music-2.5+", "music-2.5")
COVER_MODELS = ("music-cover", "music-cover-free")
LEAST_SECONDS, MOST_SECONDS = 6, 360
MOST_BYTES = 50 * 1024 * 1024


class AudioSetting(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    sample_rate: Literal[16000, 24000, 32000, 44100] = 44100
    bitrate: Literal[32000, 64000, 128000, 256000] = 256000
    format: Literal["mp3"] = "mp3"
    channel: Literal[1, 2] | None = None


class MusicRequest(BaseModel):
    """A request that is whole in itself; `check` holds it against the rules."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str
    prompt: str = ""
    lyrics: str = ""
    is_instrumental: bool = False
    lyrics_optimizer: bool = False
    output_format: Literal["hex"] = "hex"
    stream: Literal[False] = False
    audio_setting: AudioSetting = AudioSetting()
    audio_url: str | None = None
    audio_base64: str | None = None
    seed: Annotated[int, Field(ge=0, le=1_000_000)] | None = None

    @property
    def cover(self) -> bool:
        return self.model in COVER_MODELS

    def check(self) -> None:
        """Raises Refusal where a documented rule is broken."""
        if not self.cover and self.model not in TEXT_MODELS:
            _refuse("unknown model")
        least, most = (10, 300) if self.cover else (1, 2000) if self.is_instrumental else (0, 2000)
        _within("prompt", self.prompt, least, most)
        if self.cover:
            self._check_cover()
        elif self.audio_url is not None or self.audio_base64 is not None:
            _refuse("audio is for covers")
        elif self.lyrics or not (self.is_instrumental or self.lyrics_optimizer):
            _within("lyrics", self.lyrics, 1, 3500)

    def _check_cover(self) -> None:
        if self.is_instrumental or self.lyrics_optimizer:
            _refuse("is_instrumental and lyrics_optimizer are not for covers")
        if self.lyrics:
            _within("lyrics", self.lyrics, 10, 1000)
        if (self.audio_url is None) == (self.audio_base64 is None):
            _refuse("exactly one of audio_url and audio_base64 is required")

    async def reference(self) -> Reference | None:
        """The audio to cover, measured. Raises Refusal for what is too short, too long, too big or no audio."""
        if not self.cover:
            return None
        if self.audio_base64 is not None:
            try:
                data = base64.b64decode(self.audio_base64, validate=True)
            except binascii.Error:
                raise _invalid("audio_base64 is no base64") from None
        else:
            try:
                data = await fetch(self.audio_url or "")
            except FetchError:
                raise _invalid("audio_url could not be fetched") from None
        if len(data) > MOST_BYTES:
            _refuse("audio is larger than 50 MB")
        reference = await measure(data)
        if not LEAST_SECONDS <= reference.seconds <= MOST_SECONDS:
            _refuse("audio duration must be between 6 seconds and 6 minutes")
        return reference


def read(body: bytes) -> MusicRequest:
    """A request body. Raises Refusal 2013."""
    try:
        return MusicRequest.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors()[0]
        raise _invalid(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


def _within(name: str, text: str, least: int, most: int) -> None:
    if not least <= len(text) <= most:
        _refuse(f"{name} must have {least} to {most} characters")


def _refuse(why: str) -> None:
    raise _invalid(why)


def _invalid(why: str) -> Refusal:
    return Refusal(2013, f"invalid params, {why}")
