"""MiniMax: one call that lasts until the song is there, https://platform.minimax.io/docs/api-reference/music-generation.

The answer is HTTP 200 for whatever happens; `base_resp.status_code` in its body says what. Audio comes as hex inside the JSON, since an
address would have to be fetched in time; a reference goes as base64 inside the request, to the model that makes covers.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO

import httpx

from catalog.music_models import MusicRoute
from contract.fetching import INTERNET, Network
from tasks_app.music import verdicts
from tasks_app.music.calls import AUDIO_BYTES, JSON_BYTES, Patience, ask, fetch_audio, is_address, number
from tasks_app.music.provider import Job, Made, MadeClip, Misconfigured, ProviderError, Submitted, Working

logger = logging.getLogger(__name__)

COVER_MODEL = "music-cover"
AUDIO_SETTING = {"sample_rate": 44100, "bitrate": 256000, "format": "mp3"}
FINISHED = 2
"""`data.status` of a song that is complete."""

# A song takes minutes; a request with a reference has up to 67 MiB to send before that
GENERATING = Patience(read_seconds=360, total_seconds=480)
FETCHING = Patience(read_seconds=30, total_seconds=300)

# https://platform.minimax.io/docs/api-reference/errorcode. One that is not here failed on their side.
CODES: Mapping[int, Callable[[], ProviderError]] = {
    1000: verdicts.failed,  # unknown
    1001: verdicts.timed_out,
    1024: verdicts.failed,  # internal
    1033: verdicts.failed,  # system
    1002: verdicts.overloaded,  # requests a minute
    1039: verdicts.overloaded,  # tokens a minute
    1041: verdicts.overloaded,  # connections
    2045: verdicts.overloaded,  # the rate grew too fast
    1004: partial(Misconfigured, "credentials"),
    2049: partial(Misconfigured, "credentials"),
    1008: partial(Misconfigured, "balance"),
    1028: partial(Misconfigured, "balance"),
    1030: partial(Misconfigured, "balance"),
    2056: partial(Misconfigured, "balance"),
    2061: partial(Misconfigured, "plan"),
    1026: partial(verdicts.unsafe, sent=False),  # what came in
    1027: partial(verdicts.unsafe, sent=True),  # what would have gone out
    1042: verdicts.wrong,  # invisible characters
    2013: verdicts.wrong,  # parameters
}


class MiniMax:
    """MiniMax's music at one address."""

    blocking = True

    def __init__(self, route: MusicRoute, *, patience: Patience = GENERATING, network: Network = INTERNET) -> None:
        self._route = route
        self._patience = patience
        self._network = network
        # Its chat is addressed with the version, and both may share one setting
        self._url = f"{route.base_url.removesuffix('/v1')}/v1/music_generation"

    def submit(self, job: Job) -> Submitted | Made:
        """The finished song. Raises ProviderError."""
        answer = ask(
            "POST",
            self._url,
            api_key=self._route.api_key(),
            patience=self._patience,
            most_bytes=2 * AUDIO_BYTES + JSON_BYTES,
            json=self._request(job),
        )
        if (refusal := _refusal(answer.status, answer.json)) is not None:
            raise refusal
        url, audio = _song((answer.json or {}).get("data"))
        return Made((MadeClip(title=job.title, lyrics="" if job.instrumental else job.lyrics, url=url, audio=audio),))

    def poll(self, provider_task_id: str) -> Working | Made:
        """There is nothing to ask about a call that ends with the song."""
        raise NotImplementedError

    def fetch(self, clip: MadeClip, file: BinaryIO) -> None:
        """Writes the bytes of a clip that came as an address. Raises Unavailable."""
        fetch_audio(clip.url, file, sandbox=self._route.sandbox, patience=FETCHING, network=self._network)

    def _request(self, job: Job) -> dict[str, Any]:
        request: dict[str, Any] = {"model": self._route.upstream_model, "prompt": job.prompt}
        if job.lyrics and not job.instrumental:
            request["lyrics"] = job.lyrics
        if job.reference is not None:
            with job.reference.open() as file:
                request |= {"model": COVER_MODEL, "audio_base64": b64encode(file.read()).decode()}
        else:
            if job.instrumental:
                request["is_instrumental"] = True
            if job.options.get("lyrics_optimizer"):
                request["lyrics_optimizer"] = True
        return request | {"output_format": "hex", "audio_setting": AUDIO_SETTING}


def _refusal(status: int, body: dict[str, Any] | None) -> ProviderError | None:
    base = (body or {}).get("base_resp")
    code = number(base.get("status_code")) if isinstance(base, dict) else None
    if code == 0 and status == httpx.codes.OK:
        return None
    logger.warning("MiniMax made no music", extra={"http_status": status, "provider_code": code})
    return CODES.get(code, verdicts.failed)() if code else verdicts.of_status(status)


def _song(data: Any) -> tuple[str, bytes]:
    """The address of a finished song, or its MP3."""
    if not isinstance(data, dict) or data.get("status") != FINISHED:
        raise verdicts.failed()
    audio = data.get("audio") or data.get("audio_url")
    if is_address(audio):
        return audio, b""
    if not isinstance(audio, str):
        raise verdicts.failed()
    try:
        decoded = bytes.fromhex(audio)
    except ValueError:
        raise verdicts.failed() from None
    if not _is_mp3(decoded):
        raise verdicts.failed()
    return "", decoded


def _is_mp3(audio: bytes) -> bool:
    """By how it begins: a tag, or a frame of layer III."""
    return audio[:3] == b"ID3" or (len(audio) > 1 and audio[0] == 0xFF and audio[1] & 0xE6 == 0xE2)
